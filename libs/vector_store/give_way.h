// Threads that work for later let those that somebody waits for go first.
#ifndef RAGMESH_LIBS_VECTOR_STORE_GIVE_WAY_H_
#define RAGMESH_LIBS_VECTOR_STORE_GIVE_WAY_H_

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "libs/concurrency/executor.h"

namespace ragmesh::vector_store {

// From now on the calling thread runs at nice value `nice`, up to 19; of this thread alone, as
// Linux has it. Where that is refused, things stay as they are.
void GiveWay(int nice);

// While it lives, the calling thread wakes without taking the processor from a thread that runs:
// for long work, whose caller does not count milliseconds. Of threads of the usual policy only.
class LongWork {
 public:
  LongWork();
  ~LongWork();
  LongWork(const LongWork&) = delete;
  LongWork& operator=(const LongWork&) = delete;

 private:
  bool begun_ = false;
};

// Runs its work on the threads of another executor, which give way. Borrows it. Thread-safe.
class YieldingExecutor final : public Executor {
 public:
  YieldingExecutor(Executor* executor, int nice) : executor_(*executor), nice_(nice) {}

  bool TrySubmit(absl::AnyInvocable<void() &&> work) override;
  bool TryRunHere(absl::FunctionRef<void()> work) override { return executor_.TryRunHere(work); }
  std::size_t queue_depth() const override { return executor_.queue_depth(); }

 private:
  Executor& executor_;
  const int nice_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_GIVE_WAY_H_
