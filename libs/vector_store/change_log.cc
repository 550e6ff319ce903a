#include "libs/vector_store/change_log.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "libs/base/error.h"

namespace ragmesh::vector_store {

bool ChangeLog::active() const {
  absl::MutexLock lock(&mutex_);
  return active_;
}

void ChangeLog::ForgetLocked() {
  active_ = false;
  changes_.clear();
  changes_.shrink_to_fit();
}

void ChangeLog::Note(std::uint64_t sequence, std::vector<std::string> document_ids,
                     absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (!active_) return;
  if (now - asked_ > kPatience || changes_.size() + document_ids.size() > max_changes_)
    return ForgetLocked();
  for (std::string& id : document_ids) changes_.emplace_back(sequence, std::move(id));
}

void ChangeLog::Begin(std::uint64_t sequence, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  asked_ = now;
  if (active_) return;  // another reader's; what it knows is more
  active_ = true;
  known_after_ = sequence;
}

absl::StatusOr<stages::CollectionChanges> ChangeLog::After(std::uint64_t after,
                                                           std::uint64_t sequence, absl::Time now) {
  absl::MutexLock lock(&mutex_);
  if (!active_ || after < known_after_ || after > sequence) {
    return WrongState("CHANGES_FORGOTTEN",
                      "what changed since then is not known any more, or not yet",
                      "Ask without after_sequence, compare the whole collection, and go on from "
                      "the sequence that was answered.");
  }
  asked_ = now;
  stages::CollectionChanges result{sequence, {}};
  absl::flat_hash_set<absl::string_view> seen;
  const auto first = std::upper_bound(
      changes_.begin(), changes_.end(), after,
      [](std::uint64_t value, const auto& change) { return value < change.first; });
  for (auto it = first; it != changes_.end(); ++it) {
    if (seen.insert(it->second).second) result.document_ids.push_back(it->second);
  }
  // The one who asks has taken what came before; another reader compares everything.
  changes_.erase(changes_.begin(), first);
  known_after_ = after;
  return result;
}

}  // namespace ragmesh::vector_store
