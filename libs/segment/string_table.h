// Many strings in one run of bytes, read where it lies, by number and by content.
#ifndef RAGMESH_LIBS_SEGMENT_STRING_TABLE_H_
#define RAGMESH_LIBS_SEGMENT_STRING_TABLE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::segment {

// Makes the bytes of a StringTable. Not thread-safe.
class StringTableBuilder {
 public:
  void Add(absl::string_view text);
  std::uint64_t size() const { return ends_.size(); }
  // Leaves the object empty. Find needs `with_lookup`, and that no string was added twice.
  std::string Take(bool with_lookup);

 private:
  std::string bytes_;
  std::vector<std::uint64_t> ends_;
};

// Thread-safe. Borrows its bytes, at a multiple of 8. Damaged bytes give wrong strings but are
// never read outside.
class StringTable {
 public:
  StringTable() = default;
  // DATA_LOSS / CORRUPT_DATA when sizes do not fit.
  static absl::StatusOr<StringTable> Open(absl::string_view bytes);

  std::uint64_t size() const { return count_; }
  // The bytes before the strings, which say where they lie.
  absl::string_view head() const { return head_; }
  absl::string_view operator[](std::uint64_t number) const;
  // The number of `text`; nothing when it is not among them or the table has no look-up.
  std::optional<std::uint32_t> Find(absl::string_view text) const;
  // The first string that is not below `text`, of a table in ascending order; size() when none.
  std::uint64_t LowerBound(absl::string_view text) const;

 private:
  std::uint64_t count_ = 0, buckets_ = 0;
  const std::uint64_t* ends_ = nullptr;
  const std::uint32_t* lookup_ = nullptr;
  absl::string_view head_, text_;
};

}  // namespace ragmesh::segment

#endif  // RAGMESH_LIBS_SEGMENT_STRING_TABLE_H_
