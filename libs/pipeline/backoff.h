// Trying again when a stage is not there: waits that grow, end, and wake up at once when the call
// is cancelled.
#ifndef RAGMESH_LIBS_PIPELINE_BACKOFF_H_
#define RAGMESH_LIBS_PIPELINE_BACKOFF_H_

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"

namespace ragmesh::pipeline {

struct BackoffOptions {
  absl::Duration first = absl::Milliseconds(500);
  absl::Duration longest = absl::Seconds(15);  // one wait
  absl::Duration total =
      absl::Minutes(10);  // all waits for one call together; then its last error stands
};

// Whether the same call may succeed later: UNAVAILABLE, or anything with a retry time.
// DEADLINE_EXCEEDED counts too: the stage was slow, and the caller's own deadline is checked apart
// from it.
bool MayRecover(const absl::Status& status);

// Waits; false at once when `call` is cancelled or its deadline comes first.
bool WaitUnlessCancelled(absl::Duration wait, const CallContext& call);

// Runs `attempt` until it succeeds, fails for good, or the waits are used up. `on_retry` is told
// before each wait.
absl::Status RetryWithBackoff(const BackoffOptions& options,
                              absl::FunctionRef<absl::Status()> attempt,
                              absl::FunctionRef<void(const absl::Status&)> on_retry,
                              const CallContext& call);

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_BACKOFF_H_
