// Writes that named themselves, so that each is done once: which keys of a collection were
// committed, for what content, and with what result.
#ifndef RAGMESH_LIBS_VECTOR_STORE_REPLAYS_H_
#define RAGMESH_LIBS_VECTOR_STORE_REPLAYS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {

// What tells a write sent again from another one under the same key: SHA-256 of all that the caller
// gave.
std::string ContentOf(absl::string_view embedder_digest, const stages::Upsert& upsert);
std::string ContentOf(const stages::DeleteSelector& what);

// The keys of one collection, youngest by their sequence. Not thread-safe.
class Replays {
 public:
  // The result under `key`; null when the key is new, or older than kReplayTime. ALREADY_EXISTS /
  // IDEMPOTENCY_KEY_REUSED when it was committed with other content. Valid until the next change.
  absl::StatusOr<const ReplayRecord*> Find(absl::string_view key, absl::string_view content,
                                           absl::Time now) const;
  // Keys that go when one more comes: those past their time, and the oldest beyond kMaxReplays.
  std::vector<std::string> Outdated(absl::Time now) const;

  void Add(const std::string& key, ReplayRecord record);
  void Remove(const std::string& key);
  std::size_t size() const { return by_key_.size(); }

 private:
  absl::flat_hash_map<std::string, ReplayRecord> by_key_;
  std::map<std::uint64_t, std::string> by_age_;  // sequence -> key
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_REPLAYS_H_
