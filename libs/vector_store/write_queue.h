// Writers that wait for the same disk: those that arrive together go through one commit.
//
// The first in the queue leads. It takes a group from the front of the queue, works for all of it,
// and hands the lead on. Between two commits it may wait for the writers of the last one to come
// back with their next write: a writer that was acknowledged a moment ago would otherwise find the
// next group gone, and wait for two commits instead of one.
#ifndef RAGMESH_LIBS_VECTOR_STORE_WRITE_QUEUE_H_
#define RAGMESH_LIBS_VECTOR_STORE_WRITE_QUEUE_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace ragmesh::vector_store {

// Thread-safe.
class WriteQueue {
 public:
  static constexpr std::size_t kMaxGroup = 64;

  // One write, on its writer's stack.
  struct Entry {
    std::vector<std::uint64_t> touches;  // hashes of what it changes; a group never shares one
    bool alone = false;                  // goes in a group of its own

   private:
    friend class WriteQueue;
    absl::Notification turn;
    bool done = false;
  };

  // Blocks. Returns the group that the caller is to lead, its own entry first, or nothing when
  // another caller has led it to its end. Who gets a group calls Finish with it.
  std::vector<Entry*> Join(Entry* entry) ABSL_LOCKS_EXCLUDED(mutex_);
  // Lets the group's other callers go on, and the next leader. What was written before is seen by
  // all of them. The entries may be gone when it returns.
  void Finish(absl::Span<Entry* const> group) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  std::vector<Entry*> Gather() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<Entry*> TakeGroup() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  absl::CondVar gathered_;
  std::deque<Entry*> waiting_ ABSL_GUARDED_BY(mutex_);  // the next leader first
  bool leading_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t wanted_ ABSL_GUARDED_BY(mutex_) = 0;   // entries that the leader waits for; 0: none
  std::size_t writers_ ABSL_GUARDED_BY(mutex_) = 1;  // in the last group, or waiting at its end
  absl::Time begun_ ABSL_GUARDED_BY(mutex_);         // when the group was taken
  absl::Duration usual_ ABSL_GUARDED_BY(mutex_);     // time of a group, averaged
  // Groups that are taken at once, since waiting for more was in vain.
  int impatient_ ABSL_GUARDED_BY(mutex_) = 0;
  int in_vain_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_WRITE_QUEUE_H_
