#include "libs/remote_generation/completion_request.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::remote_generation {
namespace {

using nlohmann::json;
using stages::ChatRole;

constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxPromptBytes = 4 << 20;

// A field that not every server takes.
struct Extra {
  const char* field;  // our name
  const char* name;   // theirs
  json value;
  bool set;         // to anything but its default
  unsigned takers;  // kinds known to take it
};

std::vector<Extra> ExtrasOf(const stages::GenerateRequest& request) {
  const stages::Sampling& sampling = request.sampling;
  constexpr unsigned kBoth = kLlamaServer | kVllm;
  return {
      {"sampling.top_k", "top_k", sampling.top_k, sampling.top_k != 0, kBoth},
      {"sampling.min_p", "min_p", sampling.min_p, sampling.min_p != 0, kBoth},
      {"ignore_eos", "ignore_eos", request.ignore_eos, request.ignore_eos, kBoth},
  };
}

const char* RoleName(ChatRole role) {
  switch (role) {
    case ChatRole::kSystem:
      return "system";
    case ChatRole::kUser:
      return "user";
    case ChatRole::kAssistant:
      return "assistant";
    case ChatRole::kTool:
      return "tool";
  }
  return "user";
}

absl::Status CheckRanges(const stages::GenerateRequest& request) {
  const stages::Sampling& sampling = request.sampling;
  if (!(sampling.temperature >= 0 && sampling.temperature <= 2))
    return InvalidField("sampling.temperature", "must be between 0 and 2");
  if (!(sampling.top_p > 0 && sampling.top_p <= 1))
    return InvalidField("sampling.top_p", "must be over 0 and at most 1");
  if (!(sampling.min_p >= 0 && sampling.min_p < 1))
    return InvalidField("sampling.min_p", "must be at least 0 and below 1");
  if (request.stop.size() > kMaxStops) return InvalidField("stop", "must hold at most 16 strings");
  for (const std::string& stop : request.stop) {
    if (stop.empty()) return InvalidField("stop", "must not hold an empty string");
  }
  return absl::OkStatus();
}

// Seeds above these are cut or refused by the servers.
absl::Status CheckSeed(std::uint64_t seed, ServerKind kind) {
  const std::uint64_t most = kind == kLlamaServer
                                 ? std::uint64_t{std::numeric_limits<std::uint32_t>::max()} - 1
                                 : std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  if (seed <= most) return absl::OkStatus();
  return InvalidField("sampling.seed",
                      absl::StrCat("must be at most ", most, " for a server of this kind"));
}

absl::Status AddPrompt(const stages::GenerateRequest& request, const RawPlan& raw, json* body) {
  std::size_t bytes = 0;
  if (const auto* text = std::get_if<stages::RawPrompt>(&request.prompt)) {
    bytes = text->text.size();
    if (bytes == 0) return InvalidField("prompt", "must not be empty");
    if (raw.ids.has_value()) {
      (*body)["prompt"] = *raw.ids;
    } else {
      (*body)["prompt"] = text->text;
    }
  } else {
    const auto& messages = std::get<stages::ChatMessages>(request.prompt);
    if (messages.empty()) return InvalidField("messages", "must not be empty");
    for (const stages::ChatMessage& message : messages) bytes += message.content.size();
    (*body)["messages"] = MessagesJson(messages);
  }
  if (bytes <= kMaxPromptBytes) return absl::OkStatus();
  return LimitExceeded("prompt", static_cast<long long>(bytes),
                       static_cast<long long>(kMaxPromptBytes), "bytes", "Send a shorter prompt.");
}

}  // namespace

json MessagesJson(const stages::ChatMessages& messages) {
  json list = json::array();
  for (const stages::ChatMessage& message : messages)
    list.push_back({{"role", RoleName(message.role)}, {"content", message.content}});
  return list;
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

absl::StatusOr<std::string> CompletionBody(const stages::GenerateRequest& request,
                                           const ServerFacts& facts, std::uint64_t seed,
                                           const RawPlan& raw) {
  RAGMESH_RETURN_IF_ERROR(CheckRanges(request));
  RAGMESH_RETURN_IF_ERROR(CheckSeed(seed, facts.kind));
  json body = {{"model", facts.model},
               {"stream", true},
               {"stream_options", {{"include_usage", true}}},
               {"temperature", request.sampling.temperature},
               {"top_p", request.sampling.top_p},
               {"seed", seed}};
  RAGMESH_RETURN_IF_ERROR(AddPrompt(request, raw, &body));
  const std::uint32_t max_tokens = request.max_tokens == 0 ? raw.max_tokens : request.max_tokens;
  if (max_tokens > 0) body["max_tokens"] = max_tokens;
  if (!request.stop.empty()) body["stop"] = request.stop;
  for (Extra& extra : ExtrasOf(request)) {
    if ((extra.takers & facts.kind) != 0) {
      body[extra.name] = std::move(extra.value);
    } else if (extra.set) {
      return MakeError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat(extra.field, " is not taken by this model server (",
                                    ServerKindName(facts.kind), ")"),
                       {.reason = "UNSUPPORTED_BY_SERVER",
                        .field = extra.field,
                        .next_step = absl::StrCat("Leave ", extra.field, " out.")});
    }
  }
  return Dump(body);
}

}  // namespace ragmesh::remote_generation
