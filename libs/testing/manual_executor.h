// An executor that runs work when the test says so, on the test's thread.
#ifndef RAGMESH_LIBS_TESTING_MANUAL_EXECUTOR_H_
#define RAGMESH_LIBS_TESTING_MANUAL_EXECUTOR_H_

#include <deque>
#include <utility>

#include "libs/concurrency/executor.h"

namespace ragmesh::testing {

class ManualExecutor final : public Executor {
 public:
  explicit ManualExecutor(std::size_t capacity = 1000) : capacity_(capacity) {}

  bool TrySubmit(absl::AnyInvocable<void() &&> work) override {
    if (queue_.size() >= capacity_) return false;
    queue_.push_back(std::move(work));
    return true;
  }
  // All its work waits for the test.
  bool TryRunHere(absl::FunctionRef<void()>) override { return false; }
  std::size_t queue_depth() const override { return queue_.size(); }

  // Runs the oldest piece of work; false when there is none.
  bool RunOne() {
    if (queue_.empty()) return false;
    auto work = std::move(queue_.front());
    queue_.pop_front();
    std::move(work)();
    return true;
  }

 private:
  const std::size_t capacity_;
  std::deque<absl::AnyInvocable<void() &&>> queue_;
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_MANUAL_EXECUTOR_H_
