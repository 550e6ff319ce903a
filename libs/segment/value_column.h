// Which rows have which value of one field: what filters are answered from.
#ifndef RAGMESH_LIBS_SEGMENT_VALUE_COLUMN_H_
#define RAGMESH_LIBS_SEGMENT_VALUE_COLUMN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/segment/string_table.h"
#include "libs/vector_index/slot_set.h"

namespace ragmesh::segment {

// Values are keys: bytes that sort as the values do (value_key.h). Not thread-safe.
class ValueColumnBuilder {
 public:
  // Rows in any order. A row may have several values, but none twice.
  void Add(absl::string_view key, std::uint32_t row);
  // The column of `rows` rows. Leaves the object empty.
  std::string Take(std::uint32_t rows);

 private:
  absl::flat_hash_map<std::string, std::vector<std::uint32_t>> rows_of_;
};

// Thread-safe. Borrows its bytes, at a multiple of 8. A range of values becomes a set in the time
// it takes to go over two or three bits for each row, however many rows it means: beside the rows
// of each value, ordered by value, there are sets of all rows up to some places in that order.
// Where rows have several values, there is a set for each value that many rows have instead.
class ValueColumn {
 public:
  ValueColumn() = default;
  // DATA_LOSS / CORRUPT_DATA when sizes do not fit.
  static absl::StatusOr<ValueColumn> Open(absl::string_view bytes, std::uint32_t rows);

  // Successive values, by number.
  struct Range {
    std::uint64_t begin = 0, end = 0;
  };
  Range Equal(absl::string_view key) const;
  // Those that begin with `prefix`.
  Range Prefix(absl::string_view prefix) const;
  // Those not below `key`, or above it.
  Range From(absl::string_view key) const { return {keys_.LowerBound(key), keys_.size()}; }
  Range Above(absl::string_view key) const;
  static Range Common(Range a, Range b);

  std::uint64_t values() const { return keys_.size(); }
  // How many rows have a value of the range; in a column whose rows have several, the sum over its
  // values, which may be more.
  std::uint64_t Count(Range range) const;
  // `set` is of the column's rows.
  void AddTo(Range range, vector_index::SlotSet* set) const;

 private:
  void AddEntries(std::uint64_t first, std::uint64_t last, vector_index::SlotSet* set) const;
  std::uint64_t FirstEntry(std::uint64_t value) const;
  const std::uint64_t* SetWords(std::uint64_t set) const;

  StringTable keys_;
  std::uint32_t rows_ = 0;
  std::uint64_t entries_ = 0, stride_ = 0, sets_ = 0;
  const std::uint32_t* ends_ = nullptr;  // by value, in entry_rows_
  const std::uint32_t* entry_rows_ = nullptr;
  const std::uint64_t* set_words_ = nullptr;
  const std::uint32_t* set_values_ = nullptr;  // ascending; only where rows have several values
};

}  // namespace ragmesh::segment

#endif  // RAGMESH_LIBS_SEGMENT_VALUE_COLUMN_H_
