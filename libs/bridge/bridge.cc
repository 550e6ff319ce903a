#include "libs/bridge/bridge.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/bridge/openai.h"
#include "libs/bridge/openapi.h"
#include "libs/bridge/rpc_handler.h"
#include "libs/bridge/status_json.h"
#include "libs/bridge/upload.h"
#include "ragmesh/gateway/v1/gateway.pb.h"

namespace ragmesh::bridge {
namespace {

using ExchangePtr = std::shared_ptr<http::Exchange>;

void Fail(const ExchangePtr& exchange, const absl::Status& status) {
  exchange->Respond(ErrorAnswer(ToRpcStatus(status, exchange->head().id)));
}

// 405, or the answer to OPTIONS.
void AnswerOtherMethod(const ExchangePtr& exchange, std::set<std::string> allowed) {
  if (allowed.count("GET") > 0) allowed.insert("HEAD");
  allowed.insert("OPTIONS");
  const std::string allow = absl::StrJoin(allowed, ", ");
  if (exchange->head().method == "OPTIONS") {
    return exchange->Respond({.status = 204, .headers = {{"Allow", allow}}, .body = ""});
  }
  const absl::Status status =
      MakeError(absl::StatusCode::kUnimplemented,
                absl::StrCat(exchange->head().method, " is not served at this path"),
                {.reason = "METHOD_NOT_ALLOWED",
                 .field = "",
                 .next_step = absl::StrCat("Use one of: ", allow, ".")});
  http::Response response = ErrorAnswer(ToRpcStatus(status, exchange->head().id));
  response.status = 405;
  response.headers.push_back({"Allow", allow});
  exchange->Respond(std::move(response));
}

PathTemplate MustParse(absl::string_view text) { return *PathTemplate::Parse(text); }

}  // namespace

absl::StatusOr<std::unique_ptr<Bridge>> Bridge::Create(BridgeOptions options) {
  std::vector<const google::protobuf::ServiceDescriptor*> services;
  for (const std::string& name : options.services) {
    const auto* service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service == nullptr)
      return InvalidField("services", absl::StrCat("names no service linked in: ", name));
    services.push_back(service);
  }
  RAGMESH_ASSIGN_OR_RETURN(RouteTable routes, RouteTable::Create(services));
  RAGMESH_ASSIGN_OR_RETURN(std::string openapi, MakeOpenApi(routes, ApiDescriptorSet(),
                                                            {options.title, options.version}));
  return std::unique_ptr<Bridge>(
      new Bridge(std::move(options), std::move(routes), std::move(openapi)));
}

Bridge::Bridge(BridgeOptions options, RouteTable routes, std::string openapi_json)
    : options_(std::move(options)),
      routes_(std::move(routes)),
      openapi_json_(std::move(openapi_json)),
      page_(options_.web_page ? WebPageFiles() : std::vector<StaticFile>()),
      upload_path_(MustParse("/v1/collections/{collection}/documents:upload")),
      model_path_(MustParse("/v1/models/{model=**}")) {}

void Bridge::Handle(ExchangePtr exchange) const {
  if (ServeFixed(exchange) || ServeUploadPath(exchange)) return;
  const http::RequestHead& head = exchange->head();
  RouteTable::Match match = routes_.Find(head.method, head.path);
  if (match.route != nullptr) {
    return ServeRpc(exchange, *match.route, std::move(match.bindings), options_.api.channel,
                    {options_.api.max_body_bytes, options_.api.timeouts});
  }
  if (!match.other_methods.empty())
    return AnswerOtherMethod(exchange, std::move(match.other_methods));
  if (head.method == "OPTIONS" && head.path == "*") {
    return exchange->Respond(
        {.status = 204, .headers = {{"Allow", "GET, HEAD, POST, PATCH, DELETE, OPTIONS"}}});
  }
  Fail(exchange,
       MakeError(absl::StatusCode::kNotFound, "nothing is served at this path",
                 {.reason = "PATH_NOT_FOUND", .next_step = "See /openapi.json for what is."}));
}

// Paths that are not transcoded.
bool Bridge::ServeFixed(const ExchangePtr& exchange) const {
  const http::RequestHead& head = exchange->head();
  const bool reads = head.method == "GET" || head.method == "HEAD";
  const auto serve = [&](bool method_fits, const char* allowed, auto&& answer) {
    if (method_fits) {
      answer();
    } else {
      AnswerOtherMethod(exchange, {allowed});
    }
    return true;
  };
  if (page_.Has(head.path)) {
    return serve(reads, "GET", [&] { exchange->Respond(page_.Serve(head)); });
  }
  if (head.path == "/openapi.json") {
    return serve(reads, "GET", [&] {
      exchange->Respond({.headers = {{"Content-Type", "application/json"}}, .body = openapi_json_});
    });
  }
  if (head.path == "/v1/chat/completions") {
    return serve(head.method == "POST", "POST",
                 [&] { ServeChatCompletions(exchange, options_.api); });
  }
  if (head.path == "/v1/embeddings") {
    return serve(head.method == "POST", "POST", [&] { ServeEmbeddings(exchange, options_.api); });
  }
  if (head.path == "/v1/models") {
    return serve(reads, "GET", [&] { ServeModels(exchange, options_.api, ""); });
  }
  if (auto model = model_path_.Match(head.path); model.has_value() && !(*model)[0].second.empty()) {
    // "ragmesh/NAME" arrives with its slash escaped or not.
    return serve(reads, "GET", [&] {
      ServeModels(exchange, options_.api,
                  http::PercentDecode((*model)[0].second).value_or((*model)[0].second));
    });
  }
  return false;
}

bool Bridge::ServeUploadPath(const ExchangePtr& exchange) const {
  auto bindings = upload_path_.Match(exchange->head().path);
  if (!bindings.has_value()) return false;
  if (exchange->head().method != "POST") {
    AnswerOtherMethod(exchange, {"POST"});
  } else {
    const Route* watch = routes_.Find("GET", "/v1/jobs/x:watch").route;
    ServeUpload(exchange, (*bindings)[0].second, options_.api, watch);
  }
  return true;
}

}  // namespace ragmesh::bridge
