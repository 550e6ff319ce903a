#include "libs/http/policy.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "nlohmann/json.hpp"

namespace ragmesh::http {
namespace {

constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// "example.org:8080" -> "example.org", "[::1]:80" -> "[::1]".
absl::string_view WithoutPort(absl::string_view host) {
  const std::size_t colon = host.rfind(':');
  if (colon == absl::string_view::npos || host.find(']', colon) != absl::string_view::npos)
    return host;
  return host.substr(0, colon);
}

bool IsWellFormedHost(absl::string_view host) {
  return !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), [](char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_' || c == ':' || c == '[' ||
           c == ']';
  });
}

bool Contains(const std::vector<std::string>& list, absl::string_view item) {
  return std::any_of(list.begin(), list.end(), [item](const std::string& entry) {
    return absl::EqualsIgnoreCase(entry, item);
  });
}

bool IsListedOrigin(const ServerOptions& options, absl::string_view origin) {
  return !origin.empty() &&
         (Contains(options.allowed_origins, "*") || Contains(options.allowed_origins, origin));
}

bool IsOwnOrigin(const RequestHead& head, absl::string_view origin) {
  const absl::string_view host = head.Find("Host");
  return absl::EqualsIgnoreCase(origin, absl::StrCat("http://", host)) ||
         absl::EqualsIgnoreCase(origin, absl::StrCat("https://", host));
}

bool ChangesThings(absl::string_view method) {
  return method != "GET" && method != "HEAD" && method != "OPTIONS";
}

void SetDefault(Headers& headers, absl::string_view name, absl::string_view value) {
  if (FindHeader(headers, name).empty()) headers.push_back({std::string(name), std::string(value)});
}

}  // namespace

Response ErrorResponse(int http_status, int grpc_code, absl::string_view reason,
                       absl::string_view message, absl::string_view next_step,
                       absl::string_view request_id) {
  using nlohmann::json;
  const auto text = [](absl::string_view view) { return std::string(view); };
  json details = json::array();
  details.push_back({{"@type", "type.googleapis.com/google.rpc.ErrorInfo"},
                     {"reason", text(reason)},
                     {"domain", "ragmesh"},
                     {"metadata", json::object()}});
  if (!request_id.empty()) {
    details.push_back(
        {{"@type", "type.googleapis.com/google.rpc.RequestInfo"}, {"requestId", text(request_id)}});
  }
  if (!next_step.empty()) {
    details.push_back({{"@type", "type.googleapis.com/google.rpc.Help"},
                       {"links", json::array({{{"description", text(next_step)}}})}});
  }
  const json body = {{"code", grpc_code}, {"message", text(message)}, {"details", details}};
  return {.status = http_status,
          .headers = {{"Content-Type", "application/json"}},
          .body = body.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"};
}

std::optional<Response> CheckPolicy(const ServerOptions& options, const RequestHead& head) {
  const absl::string_view host = head.Find("Host");
  if (!IsWellFormedHost(host)) {
    return ErrorResponse(400, 3, "INVALID_HOST", "the Host header is missing or malformed",
                         "Send one Host header with the name and port of this server.", head.id);
  }
  if (!options.allowed_hosts.empty() && !Contains(options.allowed_hosts, WithoutPort(host))) {
    return ErrorResponse(
        421, 7, "HOST_NOT_ALLOWED", "this server does not answer for the host in the Host header",
        "Use an allowed host name, or add this one to the gateway's allowed hosts.", head.id);
  }
  const absl::string_view origin = head.Find("Origin");
  const bool listed = IsListedOrigin(options, origin);
  if (head.method == "OPTIONS" && !origin.empty() &&
      !head.Find("Access-Control-Request-Method").empty()) {
    if (!listed) {
      return ErrorResponse(403, 7, "ORIGIN_NOT_ALLOWED",
                           "pages of this origin may not use this server",
                           "Add the origin to the gateway's allowed origins.", head.id);
    }
    return Response{
        .status = 204,
        .headers = {{"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"},
                    {"Access-Control-Allow-Headers",
                     "Authorization, Content-Type, Request-Timeout, Traceparent, X-Document-Name, "
                     "X-Request-Id"},
                    {"Access-Control-Max-Age", "600"}}};
  }
  if (!origin.empty() && ChangesThings(head.method) && !listed && !IsOwnOrigin(head, origin)) {
    return ErrorResponse(403, 7, "ORIGIN_NOT_ALLOWED",
                         "pages of this origin may not change things on this server",
                         "Add the origin to the gateway's allowed origins.", head.id);
  }
  return std::nullopt;
}

void AddStandardHeaders(const ServerOptions& options, const RequestHead& head, Headers& headers) {
  SetDefault(headers, "Content-Security-Policy", kContentSecurityPolicy);
  SetDefault(headers, "X-Content-Type-Options", "nosniff");
  SetDefault(headers, "Referrer-Policy", "no-referrer");
  SetDefault(headers, "Cross-Origin-Opener-Policy", "same-origin");
  SetDefault(headers, "Cache-Control", "no-store");
  if (options.allowed_origins.empty()) return;
  SetDefault(headers, "Vary", "Origin");
  const absl::string_view origin = head.Find("Origin");
  if (!IsListedOrigin(options, origin)) return;
  SetDefault(headers, "Access-Control-Allow-Origin", origin);
  SetDefault(headers, "Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
}

std::vector<std::string> LoopbackHosts(absl::string_view address) {
  if (!absl::StartsWith(address, "127.") && address != "::1") return {};
  return {"localhost", std::string(address), absl::StrCat("[", address, "]"), "127.0.0.1", "[::1]"};
}

}  // namespace ragmesh::http
