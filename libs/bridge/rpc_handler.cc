#include "libs/bridge/rpc_handler.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "libs/base/error.h"
#include "libs/bridge/status_json.h"
#include "libs/bridge/transcode.h"

namespace ragmesh::bridge {
namespace {

using google::protobuf::Message;

// Name of the member set in the message's only oneof; empty when there is not exactly one oneof or
// nothing is set.
std::string EventName(const Message& message) {
  const auto* type = message.GetDescriptor();
  if (type->real_oneof_decl_count() != 1) return "";
  const auto* field =
      message.GetReflection()->GetOneofFieldDescriptor(message, type->oneof_decl(0));
  return field == nullptr ? "" : std::string(field->name());
}

absl::Status CheckContentType(const http::RequestHead& head) {
  const absl::string_view type = head.Find("Content-Type");
  // curl -d sends a form type unless told otherwise; the body still has to be JSON.
  if (type.empty() || absl::StrContains(absl::AsciiStrToLower(type), "json") ||
      absl::StartsWithIgnoreCase(type, "application/x-www-form-urlencoded")) {
    return absl::OkStatus();
  }
  return MakeError(absl::StatusCode::kInvalidArgument, "the body's content type is not JSON",
                   {.reason = "UNSUPPORTED_MEDIA_TYPE",
                    .field = "Content-Type",
                    .next_step = "Send the body as application/json."});
}

class RpcSession : public std::enable_shared_from_this<RpcSession> {
 public:
  RpcSession(std::shared_ptr<http::Exchange> exchange, const Route& route)
      : exchange_(std::move(exchange)),
        route_(route),
        ndjson_(absl::StrContains(exchange_->head().Find("Accept"), "ndjson")),
        response_(NewMessage(route.rpc->output_type())) {}

  void Run(const std::shared_ptr<grpc::Channel>& channel, const std::vector<PathBinding>& bindings,
           absl::string_view query, absl::string_view body, const TimeoutPolicy& timeouts) {
    auto request = BuildRequest(route_, bindings, query, body);
    if (!request.ok()) return Fail(ToRpcStatus(request.status(), exchange_->head().id));
    const auto parameters = ParametersFor(exchange_->head(), MethodPath(route_.rpc), timeouts);
    if (!parameters.ok()) return Fail(ToRpcStatus(parameters.status(), exchange_->head().id));
    auto self = shared_from_this();
    auto call = GenericCall::Start(
        channel, *parameters,
        {.on_message = [self](const grpc::ByteBuffer& bytes) { self->OnMessage(bytes); },
         .on_done = [self](const grpc::Status& status) { self->OnDone(status); }});
    call_ = call;
    call->Send(**request, /*last=*/true);
    call->Read();
    exchange_->OnGone([call] { call->Cancel(); });
  }

 private:
  void Fail(const google::rpc::Status& status) { exchange_->Respond(ErrorAnswer(status)); }

  void OnMessage(const grpc::ByteBuffer& bytes) {
    auto call = call_.lock();
    if (!ParseMessage(bytes, response_.get())) {
      fault_ = absl::InternalError("the service answered with bytes that are not its own message");
      return call->Cancel();
    }
    auto json = RenderResponse(route_, *response_);
    if (!json.ok()) {
      fault_ = json.status();
      return call->Cancel();
    }
    if (!route_.rpc->server_streaming()) {
      unary_json_ = *std::move(json);
      return call->Read();
    }
    if (!begun_) Begin();
    exchange_->Write(Frame(EventName(*response_), *json), [call](bool room) {
      if (room) {
        call->Read();
      } else {
        call->Cancel();
      }
    });
  }

  void Begin() {
    begun_ = true;
    http::StreamHead head;
    head.headers = {{"Content-Type", ndjson_ ? "application/x-ndjson" : "text/event-stream"},
                    {"Cache-Control", "no-cache"},
                    {"X-Accel-Buffering", "no"}};
    if (!ndjson_) head.keep_alive = ":\n\n";
    exchange_->Begin(std::move(head));
  }

  std::string Frame(absl::string_view event, absl::string_view json) const {
    if (ndjson_) return absl::StrCat(json, "\n");
    if (event.empty()) return absl::StrCat("data: ", json, "\n\n");
    return absl::StrCat("event: ", event, "\ndata: ", json, "\n\n");
  }

  void OnDone(const grpc::Status& grpc_status) {
    if (!grpc_status.ok() || !fault_.ok()) {
      const auto status = fault_.ok() ? ToRpcStatus(grpc_status, exchange_->head().id)
                                      : ToRpcStatus(fault_, exchange_->head().id);
      if (!begun_) return Fail(status);
      const std::string json = StatusJson(status);
      exchange_->Write(ndjson_ ? absl::StrCat("{\"error\":", json, "}\n") : Frame("error", json),
                       nullptr);
      return exchange_->End();
    }
    if (route_.rpc->server_streaming()) {
      if (!begun_) Begin();
      return exchange_->End();
    }
    exchange_->Respond(
        {.headers = {{"Content-Type", "application/json"}}, .body = std::move(unary_json_)});
  }

  const std::shared_ptr<http::Exchange> exchange_;
  const Route& route_;
  const bool ndjson_;
  const std::unique_ptr<Message> response_;
  std::weak_ptr<GenericCall> call_;
  std::string unary_json_ = "{}";
  absl::Status fault_;
  bool begun_ = false;
};

}  // namespace

void ServeRpc(std::shared_ptr<http::Exchange> exchange, const Route& route,
              std::vector<PathBinding> bindings, const std::shared_ptr<grpc::Channel>& channel,
              const RpcHandlerOptions& options) {
  http::ReadBody(
      exchange, options.max_body_bytes,
      [exchange, &route, channel, timeouts = options.timeouts,
       bindings = std::move(bindings)](absl::StatusOr<std::string> body) {
        absl::Status problem = body.status();
        if (problem.ok() && !body->empty()) problem = CheckContentType(exchange->head());
        if (!problem.ok()) {
          return exchange->Respond(ErrorAnswer(ToRpcStatus(problem, exchange->head().id)));
        }
        RunRpc(exchange, route, bindings, exchange->head().query, *body, channel, timeouts);
      });
}

void RunRpc(std::shared_ptr<http::Exchange> exchange, const Route& route,
            const std::vector<PathBinding>& bindings, absl::string_view query,
            absl::string_view body, const std::shared_ptr<grpc::Channel>& channel,
            const TimeoutPolicy& timeouts) {
  std::make_shared<RpcSession>(std::move(exchange), route)
      ->Run(channel, bindings, query, body, timeouts);
}

}  // namespace ragmesh::bridge
