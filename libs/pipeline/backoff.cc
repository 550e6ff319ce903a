#include "libs/pipeline/backoff.h"

#include <algorithm>
#include <memory>

#include "absl/synchronization/notification.h"
#include "libs/base/error.h"

namespace ragmesh::pipeline {

bool MayRecover(const absl::Status& status) {
  if (status.code() == absl::StatusCode::kUnavailable ||
      status.code() == absl::StatusCode::kDeadlineExceeded) {
    return true;
  }
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && detail->retry_after.has_value();
}

bool WaitUnlessCancelled(absl::Duration wait, const CallContext& call) {
  absl::Notification cancelled;
  const auto registration = call.OnCancel([&cancelled] { cancelled.Notify(); });
  cancelled.WaitForNotificationWithTimeout(std::min(wait, call.Remaining()));
  return call.Check().ok();
}

absl::Status RetryWithBackoff(const BackoffOptions& options,
                              absl::FunctionRef<absl::Status()> attempt,
                              absl::FunctionRef<void(const absl::Status&)> on_retry,
                              const CallContext& call) {
  absl::Duration wait = options.first;
  absl::Duration waited;
  while (true) {
    const absl::Status status = attempt();
    if (status.ok() || !MayRecover(status)) return status;
    if (const absl::Status mine = call.Check(); !mine.ok()) return mine;
    if (waited >= options.total) return status;
    on_retry(status);
    wait = std::min(wait, options.total - waited);
    if (!WaitUnlessCancelled(wait, call)) return call.Check();
    waited += wait;
    wait = std::min(wait * 2, options.longest);
  }
}

}  // namespace ragmesh::pipeline
