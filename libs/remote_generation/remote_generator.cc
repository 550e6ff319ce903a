#include "libs/remote_generation/remote_generator.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/remote_generation/completion_stream.h"
#include "libs/remote_generation/server_error.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::remote_generation {
namespace {

using nlohmann::json;
using Request = nlohmann::ordered_json;

constexpr std::size_t kMaxReplyBytes = 32 << 20;  // a token id and its comma per byte of a prompt

// Below what the least of the servers takes, so that the seed reported is the seed used.
std::uint64_t RandomSeed() { return std::random_device()() & 0x7fffffff; }

// What a server is to render.
absl::StatusOr<Request> ChatJson(const stages::ChatPrompt& chat) {
  Request request = {{"messages", MessagesJson(chat.messages)}};
  if (chat.tools.empty()) return request;
  RAGMESH_ASSIGN_OR_RETURN(request["tools"], ToolsJson(chat.tools));
  return request;
}

absl::StatusOr<json> ParseReply(absl::string_view body) {
  auto parsed =
      text::ParseBoundedJson(body, "answer", {.max_bytes = kMaxReplyBytes, .max_depth = 32});
  if (!parsed.ok() || !parsed->is_object()) return BadAnswer("is no JSON object");
  return *std::move(parsed);
}

}  // namespace

RemoteGenerator::RemoteGenerator(const Options& options)
    : options_(options), urls_(SplitServerUrl(options.url)), http_(options.http) {}

absl::StatusOr<std::unique_ptr<RemoteGenerator>> RemoteGenerator::Create(const Options& options) {
  Options checked = options;
  RAGMESH_ASSIGN_OR_RETURN(checked.url, CheckServerUrl("--generator_url", options.url));
  return std::unique_ptr<RemoteGenerator>(new RemoteGenerator(checked));
}

absl::StatusOr<std::string> RemoteGenerator::Fetch(const std::string& url, const std::string* json,
                                                   const CallContext& call) {
  std::string body;
  RAGMESH_ASSIGN_OR_RETURN(const HttpReply reply,
                           http_.Send(
                               url, json,
                               [&body](absl::string_view piece) -> absl::StatusOr<bool> {
                                 if (body.size() + piece.size() > kMaxReplyBytes)
                                   return BadAnswer("is longer than 32 MiB");
                                 absl::StrAppend(&body, piece);
                                 return true;
                               },
                               call));
  if (reply.status != 200)
    return ServerError(reply.status, reply.error_body, reply.retry_after, options_.http.key_file);
  return body;
}

absl::StatusOr<ServerFacts> RemoteGenerator::LearnFacts(const CallContext& call) {
  const auto list = Fetch(urls_.api + "/models", nullptr, call);
  ServerFacts facts;
  if (list.ok()) {
    RAGMESH_ASSIGN_OR_RETURN(facts, ReadModelList(*list, options_.model));
  } else {
    // A server without the list can be used when it is said which model to ask for.
    const auto detail = GetErrorDetail(list.status());
    const bool no_list = detail.has_value() && detail->reason == "REMOTE_NOT_FOUND";
    if (!no_list || options_.model.empty()) return list.status();
    facts.model = options_.model;
  }
  absl::MutexLock lock(&mutex_);
  facts_ = facts;
  return facts;
}

absl::StatusOr<ServerFacts> RemoteGenerator::Facts(const CallContext& call) {
  {
    absl::MutexLock lock(&mutex_);
    if (facts_.has_value()) return *facts_;
  }
  return LearnFacts(call);
}

absl::StatusOr<RawPlan> RemoteGenerator::PlanRaw(const stages::GenerateRequest& request,
                                                 const ServerFacts& facts,
                                                 const CallContext& call) {
  RawPlan plan;
  const auto* raw = std::get_if<stages::RawPrompt>(&request.prompt);
  if (raw == nullptr) return plan;
  // llama-server reads special tokens of a text, and writes without end unless told otherwise.
  if (facts.kind == kLlamaServer) {
    if (!raw->parse_special) {
      RAGMESH_ASSIGN_OR_RETURN(plan.ids, Tokenize(*raw, call));
    }
    return plan;
  }
  // The others write 16 tokens unless told otherwise.
  if (request.max_tokens > 0) return plan;
  if (!facts.tokenizes() || facts.context_tokens == 0) {
    return InvalidField("max_tokens", "must be set for raw prompts with this model server",
                        "Say how many tokens to write.");
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<std::uint32_t> ids, Tokenize(*raw, call));
  plan.max_tokens = facts.context_tokens > ids.size()
                        ? facts.context_tokens - static_cast<std::uint32_t>(ids.size())
                        : 1;  // the server refuses it, with the counts
  return plan;
}

absl::StatusOr<stages::GenerateResult> RemoteGenerator::Generate(
    const stages::GenerateRequest& request,
    absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const ServerFacts facts, Facts(call));
  const std::uint64_t seed = request.sampling.seed.value_or(RandomSeed());
  RAGMESH_ASSIGN_OR_RETURN(const RawPlan raw, PlanRaw(request, facts, call));
  RAGMESH_ASSIGN_OR_RETURN(const std::string body, CompletionBody(request, facts, seed, raw));
  const bool chat = std::holds_alternative<stages::ChatPrompt>(request.prompt);
  RAGMESH_ASSIGN_OR_RETURN(
      stages::GenerateResult result,
      Stream(urls_.api + (chat ? "/chat/completions" : "/completions"), body, on_token, call));
  result.seed = seed;
  return result;
}

absl::StatusOr<stages::GenerateResult> RemoteGenerator::Stream(
    const std::string& url, const std::string& body,
    absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token, const CallContext& call) {
  const absl::Time begun = absl::Now();
  CompletionStream stream(options_.http.key_file);
  const auto on_body = [&](absl::string_view piece) -> absl::StatusOr<bool> {
    RAGMESH_RETURN_IF_ERROR(stream.Add(piece, on_token));
    return !stream.done();
  };
  RAGMESH_ASSIGN_OR_RETURN(const HttpReply reply, http_.Send(url, &body, on_body, call));
  if (reply.status != 200)
    return ServerError(reply.status, reply.error_body, reply.retry_after, options_.http.key_file);
  RAGMESH_ASSIGN_OR_RETURN(stages::GenerateResult result, stream.Finish());
  const absl::Time first =
      stream.first_text() == absl::InfinitePast() ? absl::Now() : stream.first_text();
  result.prefill_seconds = absl::ToDoubleSeconds(first - begun);
  result.decode_seconds = absl::ToDoubleSeconds(absl::Now() - first);
  return result;
}

absl::StatusOr<std::vector<std::uint32_t>> RemoteGenerator::TokenizeAt(const Request& request,
                                                                       const CallContext& call) {
  const std::string body = Dump(request);
  RAGMESH_ASSIGN_OR_RETURN(const std::string answer, Fetch(urls_.root + "/tokenize", &body, call));
  RAGMESH_ASSIGN_OR_RETURN(const json reply, ParseReply(answer));
  const auto tokens = reply.find("tokens");
  if (tokens == reply.end() || !tokens->is_array()) return BadAnswer("to /tokenize has no tokens");
  std::vector<std::uint32_t> ids;
  ids.reserve(tokens->size());
  for (const json& token : *tokens) {
    if (!token.is_number_unsigned() || token.get<std::uint64_t>() > UINT32_MAX)
      return BadAnswer("to /tokenize has a token that is no id");
    ids.push_back(token.get<std::uint32_t>());
  }
  return ids;
}

absl::StatusOr<std::vector<std::uint32_t>> RemoteGenerator::Tokenize(const stages::Prompt& prompt,
                                                                     const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const ServerFacts facts, Facts(call));
  const auto* raw = std::get_if<stages::RawPrompt>(&prompt);
  const auto* chat = std::get_if<stages::ChatPrompt>(&prompt);
  switch (facts.kind) {
    case kVllm: {
      if (raw != nullptr) return TokenizeAt({{"model", facts.model}, {"prompt", raw->text}}, call);
      RAGMESH_ASSIGN_OR_RETURN(Request chat_request, ChatJson(*chat));
      chat_request["model"] = facts.model;
      chat_request["add_generation_prompt"] = true;
      return TokenizeAt(chat_request, call);
    }
    case kLlamaServer: {
      if (raw != nullptr) {
        return TokenizeAt(
            {{"content", raw->text}, {"add_special", true}, {"parse_special", raw->parse_special}},
            call);
      }
      RAGMESH_ASSIGN_OR_RETURN(const Request chat_request, ChatJson(*chat));
      const std::string body = Dump(chat_request);
      RAGMESH_ASSIGN_OR_RETURN(const std::string answer,
                               Fetch(urls_.root + "/apply-template", &body, call));
      RAGMESH_ASSIGN_OR_RETURN(const json reply, ParseReply(answer));
      const auto rendered = reply.find("prompt");
      if (rendered == reply.end() || !rendered->is_string())
        return BadAnswer("to /apply-template has no prompt");
      return TokenizeAt({{"content", *rendered}, {"add_special", true}, {"parse_special", true}},
                        call);
    }
    case kOther:
      break;
  }
  return MakeError(absl::StatusCode::kUnimplemented, "the model server's tokenizer cannot be asked",
                   {.reason = "NO_REMOTE_TOKENIZER",
                    .next_step = "Estimate the count, or run llama-server or vLLM."});
}

absl::StatusOr<stages::StageInfo> RemoteGenerator::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  stages::StageInfo info;
  info.stage = "generator";
  info.features["url"] = urls_.api;
  absl::MutexLock lock(&mutex_);
  info.ready = facts_.has_value();
  if (!info.ready) {
    info.not_ready_reason = "the model server has not answered yet";
    return info;
  }
  info.model.name = facts_->model;
  info.model.max_tokens = facts_->context_tokens;
  info.features["server"] = ServerKindName(facts_->kind);
  if (facts_->context_tokens > 0) info.limits["max_context_tokens"] = facts_->context_tokens;
  return info;
}

absl::Status RemoteGenerator::Probe(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(LearnFacts(call).status());
  stages::GenerateRequest request;
  request.prompt = stages::ChatMessages{{stages::ChatRole::kUser, "Hi"}};
  request.max_tokens = 1;
  const auto answer = Generate(
      request, [](const stages::TokenEvent&) { return absl::OkStatus(); }, call);
  if (absl::IsResourceExhausted(answer.status())) return absl::OkStatus();
  return answer.status();
}

}  // namespace ragmesh::remote_generation
