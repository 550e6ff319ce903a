// What every fake stage does before it works: nothing, fail, or hang until the call ends.
// Thread-safe.
#ifndef RAGMESH_LIBS_TESTING_STAGE_FAULT_H_
#define RAGMESH_LIBS_TESTING_STAGE_FAULT_H_

#include <atomic>
#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "libs/base/call_context.h"
#include "libs/base/error.h"

namespace ragmesh::testing {

class StageFault {
 public:
  void Set(std::function<absl::Status(const CallContext&)> fault) {
    absl::MutexLock lock(&mutex_);
    fault_ = std::move(fault);
  }
  void Clear() { Set(nullptr); }
  void Down() {
    Set([](const CallContext&) {
      return Unavailable("STAGE_UNREACHABLE", "the stage cannot be reached");
    });
  }
  // Waits until the call is cancelled or its deadline passes.
  void Hang() {
    Set([this](const CallContext& call) {
      absl::Notification ended;
      const auto registration = call.OnCancel([&ended] { ended.Notify(); });
      hanging_.fetch_add(1);
      ended.WaitForNotificationWithTimeout(call.Remaining());
      hanging_.fetch_sub(1);
      return call.cancelled() ? absl::CancelledError("cancelled")
                              : absl::DeadlineExceededError("too late");
    });
  }
  // The first `times` calls fail, later ones work.
  void FailFirst(int times, absl::Status status) {
    auto left = std::make_shared<std::atomic<int>>(times);
    Set([left, status](const CallContext&) {
      return left->fetch_sub(1) > 0 ? status : absl::OkStatus();
    });
  }

  absl::Status Check(const CallContext& call) {
    calls_.fetch_add(1);
    std::function<absl::Status(const CallContext&)> fault;
    {
      absl::MutexLock lock(&mutex_);
      fault = fault_;
    }
    if (const absl::Status status = call.Check(); !status.ok()) return status;
    return fault ? fault(call) : absl::OkStatus();
  }
  int calls() const { return calls_.load(); }
  int hanging() const { return hanging_.load(); }

 private:
  absl::Mutex mutex_;
  std::function<absl::Status(const CallContext&)> fault_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int> calls_ = 0;
  std::atomic<int> hanging_ = 0;
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_STAGE_FAULT_H_
