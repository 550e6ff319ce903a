#include "libs/rpc/status.h"

#include <google/rpc/error_details.pb.h>
#include <google/rpc/status.pb.h>

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::rpc {
namespace {

constexpr char kDomain[] = "ragmesh";
// The message travels twice, once percent-encoded; 700 bytes leave the whole below 8 KiB in the
// worst case.
constexpr std::size_t kMaxMessageBytes = 700;
constexpr std::size_t kMaxValueBytes = 200;
constexpr std::size_t kMaxMetadata = 12;

// `text` cut to `max_bytes` at a character, control characters and broken UTF-8 replaced by "?".
std::string Clean(absl::string_view text, std::size_t max_bytes) {
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i]);
    std::size_t length = lead < 0x80                    ? 1
                         : lead >= 0xC2 && lead <= 0xDF ? 2
                         : lead >= 0xE0 && lead <= 0xEF ? 3
                         : lead >= 0xF0 && lead <= 0xF4 ? 4
                                                        : 0;
    const auto second = static_cast<unsigned char>(i + 1 < text.size() ? text[i + 1] : 0);
    if ((lead == 0xE0 && second < 0xA0) || (lead == 0xED && second > 0x9F) ||
        (lead == 0xF0 && second < 0x90) || (lead == 0xF4 && second > 0x8F)) {
      length = 0;
    }
    for (std::size_t k = 1; k < length; ++k) {
      if (i + k >= text.size() || (static_cast<unsigned char>(text[i + k]) & 0xC0) != 0x80)
        length = 0;
    }
    if (out.size() + std::max<std::size_t>(length, 1) > max_bytes) break;
    const bool control = lead < 0x20 && lead != '\n' && lead != '\t';
    if (length == 0 || control) {
      out += '?';
      ++i;
    } else {
      absl::StrAppend(&out, text.substr(i, length));
      i += length;
    }
  }
  return out;
}

template <typename Message>
void Pack(const Message& message, google::rpc::Status* status) {
  status->add_details()->PackFrom(message);
}

void PackDetail(const ErrorDetail& detail, const std::string& message, google::rpc::Status* out) {
  google::rpc::ErrorInfo info;
  info.set_reason(Clean(detail.reason, 63));
  info.set_domain(kDomain);
  for (const auto& [key, value] : detail.metadata) {
    if (static_cast<std::size_t>(info.metadata_size()) >= kMaxMetadata) break;
    (*info.mutable_metadata())[Clean(key, 64)] = Clean(value, kMaxValueBytes);
  }
  Pack(info, out);
  if (!detail.field.empty()) {
    google::rpc::BadRequest bad;
    auto* violation = bad.add_field_violations();
    violation->set_field(Clean(detail.field, kMaxValueBytes));
    violation->set_description(Clean(message, kMaxValueBytes));
    Pack(bad, out);
  }
  if (detail.retry_after.has_value()) {
    google::rpc::RetryInfo retry;
    const std::int64_t nanos = absl::ToInt64Nanoseconds(*detail.retry_after);
    retry.mutable_retry_delay()->set_seconds(nanos / 1'000'000'000);
    retry.mutable_retry_delay()->set_nanos(static_cast<std::int32_t>(nanos % 1'000'000'000));
    Pack(retry, out);
  }
  if (!detail.next_step.empty()) {
    google::rpc::LocalizedMessage next;
    next.set_locale("en");
    next.set_message(Clean(detail.next_step, kMaxMessageBytes));
    Pack(next, out);
  }
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status, absl::string_view request_id) {
  if (status.ok()) return grpc::Status::OK;
  ErrorDetail detail = GetErrorDetail(status).value_or(ErrorDetail{});
  if (detail.reason.empty()) detail.reason = absl::StatusCodeToString(status.code());
  if (status.code() == absl::StatusCode::kUnavailable && !detail.retry_after.has_value()) {
    detail.retry_after = absl::Seconds(1);
  }
  const std::string message = Clean(status.message(), kMaxMessageBytes);
  google::rpc::Status out;
  out.set_code(static_cast<int>(status.code()));
  out.set_message(message);
  PackDetail(detail, message, &out);
  if (!request_id.empty()) {
    google::rpc::RequestInfo request;
    request.set_request_id(Clean(request_id, 64));
    Pack(request, &out);
  }
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), message,
                      out.SerializeAsString());
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  google::rpc::Status in;
  ErrorDetail detail;
  if (!status.error_details().empty() && in.ParseFromString(status.error_details())) {
    for (const auto& any : in.details()) {
      google::rpc::ErrorInfo info;
      google::rpc::BadRequest bad;
      google::rpc::RetryInfo retry;
      google::rpc::LocalizedMessage next;
      if (any.UnpackTo(&info) && info.domain() == kDomain) {
        detail.reason = info.reason();
        detail.metadata.insert(info.metadata().begin(), info.metadata().end());
      } else if (any.UnpackTo(&bad) && bad.field_violations_size() > 0) {
        detail.field = bad.field_violations(0).field();
      } else if (any.UnpackTo(&retry)) {
        detail.retry_after = absl::Seconds(retry.retry_delay().seconds()) +
                             absl::Nanoseconds(retry.retry_delay().nanos());
      } else if (any.UnpackTo(&next)) {
        detail.next_step = next.message();
      }
    }
  }
  if (detail.reason.empty()) return absl::Status(code, status.error_message());
  return MakeError(code, status.error_message(), detail);
}

}  // namespace ragmesh::rpc
