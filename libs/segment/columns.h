// The columns of a segment, one for each field and kind of value, and what filters make of them.
#ifndef RAGMESH_LIBS_SEGMENT_COLUMNS_H_
#define RAGMESH_LIBS_SEGMENT_COLUMNS_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/segment/value_column.h"
#include "libs/segment/value_key.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_index/slot_set.h"

namespace ragmesh::segment {

// Not thread-safe.
class ColumnsBuilder {
 public:
  // The value of `field` in one row; of a list, each element once.
  void Add(absl::string_view field, const stages::MetadataValue& value, std::uint32_t row);
  // The columns of `rows` rows. Leaves the object empty.
  std::string Take(std::uint32_t rows);

 private:
  std::map<std::pair<ValueKind, std::string>, ValueColumnBuilder> columns_;
};

// Thread-safe. Borrows its bytes, at a multiple of 8.
class Columns {
 public:
  Columns() = default;
  // DATA_LOSS / CORRUPT_DATA when sizes do not fit.
  static absl::StatusOr<Columns> Open(absl::string_view bytes, std::uint32_t rows);

  // The rows whose values match a valid filter, as vector_store::Matches decides it.
  vector_index::SlotSet Matching(const stages::Filter& filter) const;
  // At most so many match; exact where the filter is one comparison with a field that has no lists.
  std::uint64_t Estimate(const stages::Filter& filter) const;
  // Rows in which the list `field` has one of `values`.
  vector_index::SlotSet WithAny(absl::string_view field,
                                absl::Span<const std::string> values) const;
  // Whether a row of `among` has a value of the field.
  bool HasField(absl::string_view field, const vector_index::SlotSet& among) const;

 private:
  friend struct FilterPlan;

  const ValueColumn* Find(ValueKind kind, absl::string_view field) const;

  std::uint32_t rows_ = 0;
  std::map<std::pair<ValueKind, std::string>, ValueColumn, std::less<>> columns_;
};

}  // namespace ragmesh::segment

#endif  // RAGMESH_LIBS_SEGMENT_COLUMNS_H_
