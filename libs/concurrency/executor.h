// The seam for "run this somewhere else". Servers hand work from network threads to an Executor;
// tests pass testing::ManualExecutor and run it step by step.
#ifndef RAGMESH_LIBS_CONCURRENCY_EXECUTOR_H_
#define RAGMESH_LIBS_CONCURRENCY_EXECUTOR_H_

#include <cstddef>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"

namespace ragmesh {

class Executor {
 public:
  virtual ~Executor() = default;

  // Takes `work` and returns true, or returns false at once when the queue is full or shutting
  // down; refused work is destroyed without being run.
  virtual bool TrySubmit(absl::AnyInvocable<void() &&> work) = 0;

  // Runs `work` on this thread, in the place of one of the executor's that has nothing to do, and
  // returns true; returns false at once when all are busy, or work waits. It saves waking a thread
  // for work whose caller would only wait for it.
  virtual bool TryRunHere(absl::FunctionRef<void()> work) = 0;

  // Work accepted and not yet begun.
  virtual std::size_t queue_depth() const = 0;
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_CONCURRENCY_EXECUTOR_H_
