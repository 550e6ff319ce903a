#include "libs/bridge/openai.h"

#include <algorithm>
#include <bit>
#include <functional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/bridge/openai_answer.h"
#include "libs/bridge/openai_request.h"
#include "libs/bridge/status_json.h"

namespace ragmesh::bridge {
namespace {

namespace v1 = ragmesh::gateway::v1;
using Json = nlohmann::ordered_json;
using ExchangePtr = std::shared_ptr<http::Exchange>;

constexpr char kOwnModel[] = "ragmesh";

std::string Print(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ErrorJson(const google::rpc::Status& status) {
  const int http_status = HttpStatus(status);
  const std::string reason = Reason(status), field = Field(status);
  const char* type = http_status == 401   ? "authentication_error"
                     : http_status == 403 ? "permission_error"
                     : http_status == 429 ? "rate_limit_error"
                     : http_status < 500  ? "invalid_request_error"
                                          : "server_error";
  Json error = {{"message", status.message()}, {"type", type}};
  error["param"] = field.empty() ? Json(nullptr) : Json(field);
  error["code"] =
      reason == "MODEL_NOT_FOUND" ? Json("model_not_found") : Json(absl::AsciiStrToLower(reason));
  return {{"error", std::move(error)}};
}

void Fail(const ExchangePtr& exchange, const absl::Status& status) {
  exchange->Respond(OpenAiError(ToRpcStatus(status, exchange->head().id)));
}

void Answer(const ExchangePtr& exchange, const Json& json) {
  exchange->Respond({.headers = {{"Content-Type", "application/json"}}, .body = Print(json)});
}

absl::Status ModelNotFound(absl::string_view model, absl::string_view others) {
  return MakeError(absl::StatusCode::kNotFound,
                   absl::StrCat("the model \"", model, "\" does not exist; ", others),
                   {.reason = "MODEL_NOT_FOUND",
                    .field = "model",
                    .next_step = "GET /v1/models lists the models."});
}

// One unary call; errors are answered here, success goes to `use`.
template <typename Response>
void CallUnary(const ExchangePtr& exchange, const GatewayApi& api, const std::string& method,
               const google::protobuf::Message& request, std::function<void(const Response&)> use) {
  const auto parameters = ParametersFor(exchange->head(), GatewayMethod(method), api.timeouts);
  if (!parameters.ok()) return Fail(exchange, parameters.status());
  struct Pending {
    Response response;
    bool understood = false;
    std::weak_ptr<GenericCall> call;
  };
  auto pending = std::make_shared<Pending>();
  auto call = GenericCall::Start(
      api.channel, *parameters,
      {.on_message =
           [pending](const grpc::ByteBuffer& bytes) {
             pending->understood = ParseMessage(bytes, &pending->response);
             if (auto alive = pending->call.lock()) alive->Read();
           },
       .on_done =
           [pending, exchange, use = std::move(use)](const grpc::Status& status) {
             if (!status.ok())
               return exchange->Respond(OpenAiError(ToRpcStatus(status, exchange->head().id)));
             if (!pending->understood)
               return Fail(exchange, absl::InternalError("the gateway sent no answer"));
             use(pending->response);
           }});
  pending->call = call;
  call->Send(request, /*last=*/true);
  call->Read();
  exchange->OnGone([call] { call->Cancel(); });
}

// One streamed completion, from Ask or from Chat.
template <typename Event>
class CompletionSession : public std::enable_shared_from_this<CompletionSession<Event>> {
 public:
  CompletionSession(ExchangePtr exchange, OpenAiAnswer::Identity identity, bool stream)
      : exchange_(std::move(exchange)), answer_(std::move(identity)), stream_(stream) {}

  void Run(const GatewayApi& api, const std::string& method,
           const google::protobuf::Message& request) {
    const auto parameters = ParametersFor(exchange_->head(), GatewayMethod(method), api.timeouts);
    if (!parameters.ok()) return Fail(exchange_, parameters.status());
    auto self = this->shared_from_this();
    auto call = GenericCall::Start(
        api.channel, *parameters,
        {.on_message = [self](const grpc::ByteBuffer& bytes) { self->OnMessage(bytes); },
         .on_done = [self](const grpc::Status& status) { self->OnDone(status); }});
    call_ = call;
    call->Send(request, /*last=*/true);
    call->Read();
    exchange_->OnGone([call] { call->Cancel(); });
  }

 private:
  void OnMessage(const grpc::ByteBuffer& bytes) {
    auto call = call_.lock();
    Event event;
    if (!ParseMessage(bytes, &event)) {
      garbled_ = true;
      return call->Cancel();
    }
    std::string frames = answer_.Add(event);
    if (!stream_) return call->Read();
    if (!begun_) {
      Begin();
      frames = absl::StrCat(answer_.First(), frames);
    }
    exchange_->Write(std::move(frames), [call](bool room) {
      if (room) {
        call->Read();
      } else {
        call->Cancel();
      }
    });
  }

  void Begin() {
    begun_ = true;
    exchange_->Begin({.headers = {{"Content-Type", "text/event-stream"},
                                  {"Cache-Control", "no-cache"},
                                  {"X-Accel-Buffering", "no"}},
                      .keep_alive = ":\n\n"});
  }

  void OnDone(const grpc::Status& grpc_status) {
    if (!grpc_status.ok()) {
      const grpc::Status fault =
          garbled_ ? grpc::Status(grpc::StatusCode::INTERNAL, "the gateway's answer is garbled")
                   : grpc_status;
      const google::rpc::Status status = ToRpcStatus(fault, exchange_->head().id);
      if (!begun_) return exchange_->Respond(OpenAiError(status));
      exchange_->Write(absl::StrCat("data: ", Print(ErrorJson(status)), "\n\n"), nullptr);
      return exchange_->End();
    }
    if (!stream_) return Answer(exchange_, answer_.Whole());
    std::string frames;
    if (!begun_) {
      Begin();
      frames = answer_.First();
    }
    exchange_->Write(absl::StrCat(frames, answer_.Last()), nullptr);
    exchange_->End();
  }

  const ExchangePtr exchange_;
  OpenAiAnswer answer_;
  const bool stream_;
  bool begun_ = false;
  bool garbled_ = false;
  std::weak_ptr<GenericCall> call_;
};

const v1::StageStatus* FindStage(const v1::GetStatusResponse& status, absl::string_view name) {
  for (const v1::StageStatus& stage : status.stages()) {
    if (stage.info().stage() == name) return &stage;
  }
  return nullptr;
}

OpenAiAnswer::Identity MakeIdentity(const ExchangePtr& exchange,
                                    const ChatCompletionRequest& request) {
  return {.id = absl::StrCat("chatcmpl-", exchange->head().id),
          .model = request.model,
          .created = absl::ToUnixSeconds(absl::Now()),
          .include_usage = request.include_usage,
          .choices = std::max<std::uint32_t>(request.chat.choices(), 1)};
}

void RunAsk(const ExchangePtr& exchange, const GatewayApi& api, ChatCompletionRequest request) {
  if (!request.ask_refusal.ok()) return Fail(exchange, request.ask_refusal);
  if (request.ask.question().empty()) {
    return Fail(exchange, InvalidField("messages", "must end with a question of the user",
                                       "Add a user message after the last assistant message."));
  }
  if (request.ask.collection().empty()) {
    const absl::string_view named =
        absl::StripPrefix(absl::StripPrefix(request.model, kOwnModel), "/");
    request.ask.set_collection(named.empty() ? api.default_collection : std::string(named));
  }
  OpenAiAnswer::Identity identity = MakeIdentity(exchange, request);
  identity.collection = request.ask.collection();
  std::make_shared<CompletionSession<v1::AskResponse>>(exchange, std::move(identity),
                                                       request.stream)
      ->Run(api, "Ask", request.ask);
}

void RunChat(const ExchangePtr& exchange, const GatewayApi& api,
             const ChatCompletionRequest& request) {
  std::make_shared<CompletionSession<v1::ChatResponse>>(exchange, MakeIdentity(exchange, request),
                                                        request.stream)
      ->Run(api, "Chat", request.chat);
}

Json EmbeddingJson(const v1::Embedding& embedding, bool base64) {
  if (!base64)
    return Json(std::vector<float>(embedding.values().begin(), embedding.values().end()));
  static_assert(std::endian::native == std::endian::little,
                "values are sent as they lie in memory");
  const absl::string_view bytes(reinterpret_cast<const char*>(embedding.values().data()),
                                static_cast<std::size_t>(embedding.values_size()) * sizeof(float));
  return Json(absl::Base64Escape(bytes));
}

void AnswerEmbeddings(const ExchangePtr& exchange, const EmbeddingsRequest& request,
                      const v1::EmbedResponse& response) {
  if (request.model != response.model() && request.model != kOwnModel) {
    return Fail(exchange, ModelNotFound(request.model,
                                        absl::StrCat("embeddings come from ", response.model())));
  }
  Json data = Json::array();
  for (int i = 0; i < response.embeddings_size(); ++i) {
    const v1::Embedding& embedding = response.embeddings(i);
    if (request.dimensions.has_value() &&
        *request.dimensions != static_cast<std::uint32_t>(embedding.values_size())) {
      return Fail(exchange,
                  InvalidField("dimensions", absl::StrCat("must be ", embedding.values_size(),
                                                          ", which is what the model makes")));
    }
    data.push_back({{"object", "embedding"},
                    {"index", i},
                    {"embedding", EmbeddingJson(embedding, request.base64)}});
  }
  Answer(exchange, {{"object", "list"},
                    {"data", std::move(data)},
                    {"model", response.model()},
                    {"usage",
                     {{"prompt_tokens", response.prompt_tokens()},
                      {"total_tokens", response.prompt_tokens()}}}});
}

Json ModelJson(const std::string& id) {
  return {{"id", id}, {"object", "model"}, {"created", 0}, {"owned_by", kOwnModel}};
}

// "ragmesh", one per collection, and what the stages have loaded.
std::vector<std::string> ModelNames(const v1::GetStatusResponse& status,
                                    const v1::ListCollectionsResponse& list) {
  std::vector<std::string> names = {kOwnModel};
  for (const auto& collection : list.collections())
    names.push_back(absl::StrCat(kOwnModel, "/", collection.name()));
  for (const char* stage : {"generator", "embedder"}) {
    const v1::StageStatus* found = FindStage(status, stage);
    if (found != nullptr && found->info().ready() && !found->info().model().name().empty()) {
      names.push_back(found->info().model().name());
    }
  }
  return names;
}

}  // namespace

http::Response OpenAiError(const google::rpc::Status& status) {
  http::Response response{.status = HttpStatus(status),
                          .headers = RetryHeaders(status),
                          .body = Print(ErrorJson(status))};
  response.headers.push_back({"Content-Type", "application/json"});
  return response;
}

void ServeChatCompletions(ExchangePtr exchange, const GatewayApi& api) {
  http::ReadBody(exchange, api.max_body_bytes, [exchange, &api](absl::StatusOr<std::string> body) {
    if (!body.ok()) return Fail(exchange, body.status());
    auto request = ParseChatCompletion(*body);
    if (!request.ok()) return Fail(exchange, request.status());
    if (request->model == kOwnModel ||
        absl::StartsWith(request->model, absl::StrCat(kOwnModel, "/"))) {
      return RunAsk(exchange, api, *std::move(request));
    }
    CallUnary<v1::GetStatusResponse>(
        exchange, api, "GetStatus", v1::GetStatusRequest(),
        [exchange, &api, request = *std::move(request)](const v1::GetStatusResponse& status) {
          const v1::StageStatus* generator = FindStage(status, "generator");
          const std::string name = generator == nullptr ? "" : generator->info().model().name();
          if (name.empty() || request.model != name) {
            return Fail(
                exchange,
                ModelNotFound(request.model, name.empty() ? "no generator is loaded"
                                                          : absl::StrCat("plain chat is ", name)));
          }
          RunChat(exchange, api, request);
        });
  });
}

void ServeEmbeddings(ExchangePtr exchange, const GatewayApi& api) {
  http::ReadBody(exchange, api.max_body_bytes, [exchange, &api](absl::StatusOr<std::string> body) {
    if (!body.ok()) return Fail(exchange, body.status());
    auto request = ParseEmbeddings(*body);
    if (!request.ok()) return Fail(exchange, request.status());
    auto kept = std::make_shared<EmbeddingsRequest>(*std::move(request));
    CallUnary<v1::EmbedResponse>(exchange, api, "Embed", kept->embed,
                                 [exchange, kept](const v1::EmbedResponse& response) {
                                   AnswerEmbeddings(exchange, *kept, response);
                                 });
  });
}

void ServeModels(ExchangePtr exchange, const GatewayApi& api, std::string model) {
  CallUnary<v1::GetStatusResponse>(
      exchange, api, "GetStatus", v1::GetStatusRequest(),
      [exchange, &api, model = std::move(model)](const v1::GetStatusResponse& status) {
        CallUnary<v1::ListCollectionsResponse>(
            exchange, api, "ListCollections", v1::ListCollectionsRequest(),
            [exchange, model, status](const v1::ListCollectionsResponse& list) {
              const std::vector<std::string> names = ModelNames(status, list);
              if (!model.empty()) {
                if (std::find(names.begin(), names.end(), model) != names.end()) {
                  return Answer(exchange, ModelJson(model));
                }
                return Fail(exchange, ModelNotFound(model, "GET /v1/models lists those that do"));
              }
              Json data = Json::array();
              for (const std::string& name : names) data.push_back(ModelJson(name));
              Answer(exchange, {{"object", "list"}, {"data", std::move(data)}});
            });
      });
}

}  // namespace ragmesh::bridge
