#include "libs/rpc/client_call.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/rpc/status.h"
#include "libs/trace/trace_context.h"

namespace ragmesh::rpc {
namespace {

// Kept back for the way home, so that the caller can still answer when the peer uses all it was
// given.
constexpr absl::Duration kReserve = absl::Milliseconds(5);

}  // namespace

ClientCall::ClientCall(const CallContext& call, const StageChannel& channel)
    : call_(call), channel_(channel) {
  const absl::Duration left = std::min(call.Remaining() - kReserve, channel.max_call_time);
  context_.set_deadline(absl::ToChronoTime(absl::Now() + std::max(left, absl::ZeroDuration())));
  context_.AddMetadata(trace::kTraceParentKey, trace::ChildOf(call.trace_parent()).ToString());
  cancel_ = call_.OnCancel([this] { context_.TryCancel(); });
}

absl::Status ClientCall::Finish(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  const absl::Status error = FromGrpcStatus(status);
  if (call_.cancelled()) return call_.Check();
  if (error.code() == absl::StatusCode::kDeadlineExceeded && !GetErrorDetail(error).has_value()) {
    return absl::DeadlineExceededError(absl::StrCat(channel_.name, " did not answer in time"));
  }
  if (error.code() == absl::StatusCode::kUnavailable && !GetErrorDetail(error).has_value()) {
    return Unavailable(
        "PEER_UNREACHABLE", absl::StrCat(channel_.name, ": ", error.message()),
        absl::StrCat("Check that the stage runs and is ready: ", channel_.name, "."));
  }
  return Annotate(error, channel_.name);
}

}  // namespace ragmesh::rpc
