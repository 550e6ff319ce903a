// Changes to the database that are on their way to it.
#ifndef RAGMESH_LIBS_VECTOR_STORE_WRITE_SET_H_
#define RAGMESH_LIBS_VECTOR_STORE_WRITE_SET_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace ragmesh::vector_store {

enum class Family {
  kMeta,
  kCollections,
  kStates,
  kDocuments,
  kTexts,
  kChunks,
  kIndex,
  kVectors,
  kTokens,
  kReplays,
  kSegments,
  kRemoved
};
inline constexpr int kFamilies = 12;

// Changes that happen together or not at all, in the order they were made. Keys and values lie one
// after the other, so that a value can be encoded where it is to stand; sets are joined without
// copying them. Not thread-safe. There is no removal of ranges: RocksDB 7.8 stops with a failed
// assertion, or misses records, when a read fails where such a removal is.
class WriteSet {
 public:
  WriteSet() = default;
  WriteSet(WriteSet&& other) noexcept { *this = std::move(other); }
  WriteSet& operator=(WriteSet&& other) noexcept;  // leaves `other` empty

  void Put(Family family, absl::string_view key, absl::string_view value);
  // The value is what `append` appends to the string it gets, which holds other things already.
  template <typename Append>
  void PutEncoded(Family family, absl::string_view key, const Append& append) {
    const std::size_t begin = BeginPut(family, key);
    append(&parts_.back());
    EndPut(begin);
  }
  void Delete(Family family, absl::string_view key);
  void Append(WriteSet&& other);
  // Room for so many bytes of keys and values, for a caller that knows how many there will be.
  void Reserve(std::size_t bytes);

  bool empty() const { return operations_ == 0; }
  std::uint64_t bytes() const;  // of keys and values, and a little more
  // Whether it is no more than a delete writes: removals, the state, its idempotency key, what has
  // gone from segments, that a collection goes, which alias had it.
  bool only_removes() const { return only_removes_; }
  bool only_puts() const { return only_puts_; }

  // Calls one of the two for each change, in order.
  void ForEach(absl::FunctionRef<void(Family, absl::string_view key, absl::string_view value)> put,
               absl::FunctionRef<void(Family, absl::string_view key)> removed) const;

 private:
  std::size_t BeginPut(Family family, absl::string_view key);
  void EndPut(std::size_t begin);

  // Of each change: u8 family, u32 length of the key, u32 length of the value or kRemoved, key,
  // value.
  std::vector<std::string> parts_;
  std::size_t operations_ = 0;
  bool only_removes_ = true;
  bool only_puts_ = true;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_WRITE_SET_H_
