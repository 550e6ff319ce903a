#include "libs/bridge/status_json.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "libs/base/error.h"

namespace ragmesh::bridge {
namespace {

constexpr char kDomain[] = "ragmesh";

template <typename Detail>
bool FindDetail(const google::rpc::Status& status, Detail* out) {
  for (const auto& any : status.details()) {
    if (any.Is<Detail>() && any.UnpackTo(out)) return true;
  }
  return false;
}

const char* CodeName(int code) {
  static constexpr const char* kNames[] = {"OK",
                                           "CANCELLED",
                                           "UNKNOWN",
                                           "INVALID_ARGUMENT",
                                           "DEADLINE_EXCEEDED",
                                           "NOT_FOUND",
                                           "ALREADY_EXISTS",
                                           "PERMISSION_DENIED",
                                           "RESOURCE_EXHAUSTED",
                                           "FAILED_PRECONDITION",
                                           "ABORTED",
                                           "OUT_OF_RANGE",
                                           "UNIMPLEMENTED",
                                           "INTERNAL",
                                           "UNAVAILABLE",
                                           "DATA_LOSS",
                                           "UNAUTHENTICATED"};
  return code >= 0 && code <= 16 ? kNames[code] : "UNKNOWN";
}

void Complete(google::rpc::Status& status, absl::string_view request_id) {
  google::rpc::ErrorInfo info;
  if (!FindDetail(status, &info)) {
    info.set_reason(CodeName(status.code()));
    info.set_domain(kDomain);
    status.add_details()->PackFrom(info);
  }
  google::rpc::RequestInfo request;
  if (!request_id.empty() && !FindDetail(status, &request)) {
    request.set_request_id(std::string(request_id));
    status.add_details()->PackFrom(request);
  }
}

}  // namespace

google::rpc::Status ToRpcStatus(const grpc::Status& status, absl::string_view request_id) {
  google::rpc::Status out;
  if (status.error_details().empty() || !out.ParseFromString(status.error_details())) out.Clear();
  out.set_code(status.error_code());
  out.set_message(status.error_message());
  Complete(out, request_id);
  return out;
}

google::rpc::Status ToRpcStatus(const absl::Status& status, absl::string_view request_id) {
  google::rpc::Status out;
  out.set_code(static_cast<int>(status.code()));
  out.set_message(std::string(status.message()));
  if (const auto detail = GetErrorDetail(status); detail.has_value()) {
    google::rpc::ErrorInfo info;
    info.set_reason(detail->reason);
    info.set_domain(kDomain);
    for (const auto& [key, value] : detail->metadata) (*info.mutable_metadata())[key] = value;
    out.add_details()->PackFrom(info);
    if (!detail->field.empty()) {
      google::rpc::BadRequest bad;
      auto* violation = bad.add_field_violations();
      violation->set_field(detail->field);
      violation->set_description(std::string(status.message()));
      out.add_details()->PackFrom(bad);
    }
    if (detail->retry_after.has_value()) {
      google::rpc::RetryInfo retry;
      *retry.mutable_retry_delay() = google::protobuf::util::TimeUtil::MillisecondsToDuration(
          absl::ToInt64Milliseconds(*detail->retry_after));
      out.add_details()->PackFrom(retry);
    }
    if (!detail->next_step.empty()) {
      google::rpc::Help help;
      help.add_links()->set_description(detail->next_step);
      out.add_details()->PackFrom(help);
    }
  }
  Complete(out, request_id);
  return out;
}

int HttpStatus(const google::rpc::Status& status) {
  const std::string reason = Reason(status);
  if (reason == "LIMIT_EXCEEDED" && Field(status) == "body") return 413;
  if (reason == "UNSUPPORTED_MEDIA_TYPE") return 415;
  if (reason == "SLOW_REQUEST") return 408;
  switch (status.code()) {
    case 0:
      return 200;
    case 1:
      return 499;
    case 3:
    case 9:
    case 11:
      return 400;
    case 4:
      return 504;
    case 5:
      return 404;
    case 6:
    case 10:
      return 409;
    case 7:
      return 403;
    case 8:
      return 429;
    case 12:
      return 501;
    case 14:
      return 503;
    case 16:
      return 401;
    default:
      return 500;
  }
}

std::string StatusJson(const google::rpc::Status& status) {
  google::rpc::Status known = status;
  known.clear_details();
  for (const auto& any : status.details()) {
    const std::string& url = any.type_url();
    const std::string name = url.substr(url.rfind('/') + 1);
    if (google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(name) !=
        nullptr) {
      *known.add_details() = any;
    }
  }
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  std::string json;
  if (google::protobuf::util::MessageToJsonString(known, &json, options).ok()) return json;
  known.clear_details();  // a detail whose bytes do not parse
  known.set_message("the error could not be printed");
  json.clear();
  return google::protobuf::util::MessageToJsonString(known, &json, options).ok() ? json
                                                                                 : "{\"code\":13}";
}

std::string Reason(const google::rpc::Status& status) {
  google::rpc::ErrorInfo info;
  return FindDetail(status, &info) ? info.reason() : "";
}

std::string Field(const google::rpc::Status& status) {
  google::rpc::BadRequest bad;
  return FindDetail(status, &bad) && bad.field_violations_size() > 0
             ? bad.field_violations(0).field()
             : "";
}

http::Headers RetryHeaders(const google::rpc::Status& status) {
  google::rpc::RetryInfo retry;
  if (!FindDetail(status, &retry)) return {};
  // The header counts whole seconds.
  const double seconds =
      static_cast<double>(retry.retry_delay().seconds()) + retry.retry_delay().nanos() * 1e-9;
  return {{"Retry-After", absl::StrCat(static_cast<long long>(std::ceil(std::max(seconds, 0.0))))}};
}

http::Response ErrorAnswer(const google::rpc::Status& status) {
  http::Response response{.status = HttpStatus(status),
                          .headers = RetryHeaders(status),
                          .body = absl::StrCat(StatusJson(status), "\n")};
  response.headers.push_back({"Content-Type", "application/json"});
  if (response.status == 401) response.headers.push_back({"WWW-Authenticate", "Bearer"});
  return response;
}

}  // namespace ragmesh::bridge
