// The thread that turns tails into segments and merges segments, for all collections of a store.
#ifndef RAGMESH_LIBS_VECTOR_STORE_SEALER_H_
#define RAGMESH_LIBS_VECTOR_STORE_SEALER_H_

#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"

namespace ragmesh::vector_store {

// What has such work.
class Sealable {
 public:
  virtual ~Sealable() = default;
  // One piece of it; false when there was none. `call` ends when the store closes.
  virtual absl::StatusOr<bool> SealOnce(const CallContext& call) = 0;
};

// Thread-safe. Works at the lowest priority, so that searches and writes come first.
class Sealer {
 public:
  Sealer();
  ~Sealer();  // ends the piece that is under way

  // There may be work. What cannot be done is tried again some seconds later.
  void Wake(std::weak_ptr<Sealable> sealable) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until there is nothing to do and nothing under way; false when `deadline` comes first.
  bool AwaitIdle(absl::Time deadline) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();

  const CallContext call_;
  mutable absl::Mutex mutex_;
  std::deque<std::weak_ptr<Sealable>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_SEALER_H_
