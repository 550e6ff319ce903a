// The keys that the store's records lie under.
//
// They are big-endian, so that they sort by number; a collection's records lie together.
#ifndef RAGMESH_LIBS_VECTOR_STORE_RECORD_KEYS_H_
#define RAGMESH_LIBS_VECTOR_STORE_RECORD_KEYS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ragmesh::vector_store {

std::string CollectionKey(std::uint32_t collection);                  // 4 bytes
std::string ItemKey(std::uint32_t collection, std::uint64_t number);  // 12 bytes: document or chunk
std::string ReplayKey(std::uint32_t collection, absl::string_view key);
// Under it, among the meta records, a collection that was deleted and whose records are on their
// way out.
std::string DroppedKey(std::uint32_t collection);
inline constexpr char kDroppedPrefix[] = "dropped/";
inline constexpr char kAliasPrefix[] = "alias/";  // aliases.h
// Among the meta records, a counter: the number of the next collection.
inline constexpr char kNextCollectionKey[] = "next_collection";
// Under it, among the meta records, a document of a collection that goes at a time. It is written
// with the document and may outlive it; whoever finds it due looks whether the document is there.
// Keys of a collection sort by time, in whole seconds rounded up.
inline constexpr char kExpiresPrefix[] = "expires/";
std::string ExpiryKey(std::uint32_t collection, absl::Time expires, std::uint64_t document);
std::string ExpiryPrefix(std::uint32_t collection);
struct Expiry {
  absl::Time expires;
  std::uint64_t document = 0;  // its number
};
absl::StatusOr<std::uint32_t> ParseCollectionKey(absl::string_view key);
absl::StatusOr<std::uint64_t> ParseItemNumber(absl::string_view key);
absl::StatusOr<std::string> ParseReplayKey(absl::string_view key);
absl::StatusOr<Expiry> ParseExpiryKey(absl::string_view key);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_RECORD_KEYS_H_
