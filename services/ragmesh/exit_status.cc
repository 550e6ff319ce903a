#include "services/ragmesh/exit_status.h"

#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {

ExitStatus ExitStatusOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return kUsage;
    case absl::StatusCode::kNotFound:
      return kMissing;
    case absl::StatusCode::kUnavailable:
      return kUnreachable;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return kTimedOut;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kRefused;
    case absl::StatusCode::kDataLoss:
      return kDamaged;
    default:
      return kInternalError;
  }
}

ExitStatus Fail(const absl::Status& status, bool json) {
  const auto detail = GetErrorDetail(status).value_or(ErrorDetail{});
  if (json) {
    nlohmann::json error = {{"code", absl::StatusCodeToString(status.code())},
                            {"message", std::string(status.message())}};
    if (!detail.reason.empty()) error["reason"] = detail.reason;
    if (!detail.field.empty()) error["field"] = detail.field;
    if (!detail.next_step.empty()) error["next_step"] = detail.next_step;
    std::fprintf(stderr, "%s\n",
                 nlohmann::json{{"error", error}}
                     .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)
                     .c_str());
    return ExitStatusOf(status);
  }
  const Terminal terminal = Terminal::Of(STDERR_FILENO);
  const std::string message = Printable(std::string(status.message()));
  std::fprintf(stderr, "%s %s\n", terminal.Bad("error:").c_str(), message.c_str());
  if (!detail.reason.empty()) {
    std::fprintf(stderr, "       %s\n", terminal.Dim(Printable(detail.reason)).c_str());
  }
  if (!detail.next_step.empty()) {
    std::fprintf(stderr, "next:  %s\n", Printable(detail.next_step).c_str());
  }
  return ExitStatusOf(status);
}

}  // namespace ragmesh::cli
