// Which documents of a collection changed lately, for whoever copies it while it is written to.
#ifndef RAGMESH_LIBS_VECTOR_STORE_CHANGE_LOG_H_
#define RAGMESH_LIBS_VECTOR_STORE_CHANGE_LOG_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/stages/aliases.h"

namespace ragmesh::vector_store {

// Thread-safe. Kept in memory and from the first question on: nobody asks most collections. Given
// up when nobody has asked for kPatience, or when more changed than it holds; who asks then is told
// so and compares everything.
class ChangeLog {
 public:
  static constexpr std::size_t kMaxChanges = 65'536;
  static constexpr absl::Duration kPatience = absl::Hours(1);

  explicit ChangeLog(std::size_t max_changes = kMaxChanges) : max_changes_(max_changes) {}

  // Whether Note has to be called.
  bool active() const;
  void Note(std::uint64_t sequence, std::vector<std::string> document_ids, absl::Time now);

  // From now on, at `sequence`, changes are kept.
  void Begin(std::uint64_t sequence, absl::Time now);
  // What changed after `after`, up to `sequence`, where the collection is now. FAILED_PRECONDITION
  // / CHANGES_FORGOTTEN when not all of it is known.
  absl::StatusOr<stages::CollectionChanges> After(std::uint64_t after, std::uint64_t sequence,
                                                  absl::Time now);

 private:
  void ForgetLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::size_t max_changes_;
  mutable absl::Mutex mutex_;
  bool active_ ABSL_GUARDED_BY(mutex_) = false;
  std::uint64_t known_after_ ABSL_GUARDED_BY(mutex_) = 0;  // every later change is here
  absl::Time asked_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<std::uint64_t, std::string>> changes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_CHANGE_LOG_H_
