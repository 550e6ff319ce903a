// The seam for "run this somewhere else". Servers hand work from network threads to an Executor;
// tests pass testing::ManualExecutor and run it step by step.
#ifndef RAGMESH_LIBS_CONCURRENCY_EXECUTOR_H_
#define RAGMESH_LIBS_CONCURRENCY_EXECUTOR_H_

#include <cstddef>

#include "absl/functional/any_invocable.h"

namespace ragmesh {

class Executor {
 public:
  virtual ~Executor() = default;

  // Takes `work` and returns true, or returns false at once when the queue is full or shutting
  // down; refused work is destroyed without being run.
  virtual bool TrySubmit(absl::AnyInvocable<void() &&> work) = 0;

  // Work accepted and not yet begun.
  virtual std::size_t queue_depth() const = 0;
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_CONCURRENCY_EXECUTOR_H_
