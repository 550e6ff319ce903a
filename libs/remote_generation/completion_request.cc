#include "libs/remote_generation/completion_request.h"

#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::remote_generation {
namespace {

using json = nlohmann::ordered_json;  // schemas keep the order of their properties
using stages::ChatRole;

constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxPromptBytes = 4 << 20;
constexpr text::JsonLimits kSchemaLimits{.max_bytes = 256 << 10, .max_depth = 128};

// A field that not every server takes.
struct Extra {
  const char* field;  // our name
  const char* name;   // theirs
  json value;
  bool set;         // to anything but its default
  unsigned takers;  // kinds known to take it
};

// How many tokens are looked back on; llama-server knows no number for all of them.
std::uint32_t LastTokens(std::int32_t count, const ServerFacts& facts) {
  if (count >= 0) return static_cast<std::uint32_t>(count);
  return facts.context_tokens > 0 ? facts.context_tokens : 4096;
}

// By token id, as OpenAI has it; llama-server takes false for a token that is never chosen.
json LogitBiasJson(const std::vector<stages::LogitBias>& biases, ServerKind kind) {
  json object = json::object();
  for (const stages::LogitBias& bias : biases) {
    json& value = object[absl::StrCat(bias.token_id)];
    value = bias.bias;
    if (kind == kLlamaServer && bias.bias <= -100) value = false;
  }
  return object;
}

void AddDry(const stages::Sampling& sampling, const ServerFacts& facts,
            std::vector<Extra>* extras) {
  const auto& breakers = sampling.dry_sequence_breakers;
  const unsigned takers = breakers.empty() ? 0u : unsigned{kLlamaServer};  // refuses an empty list
  const std::uint32_t last = LastTokens(sampling.dry_penalty_last_n, facts);
  extras->insert(
      extras->end(),
      {{"sampling.dry_multiplier", "dry_multiplier", sampling.dry_multiplier, true, kLlamaServer},
       {"sampling.dry_base", "dry_base", sampling.dry_base, true, kLlamaServer},
       {"sampling.dry_allowed_length", "dry_allowed_length", sampling.dry_allowed_length, true,
        kLlamaServer},
       {"sampling.dry_penalty_last_n", "dry_penalty_last_n", last, true, kLlamaServer},
       {"sampling.dry_sequence_breakers", "dry_sequence_breakers", breakers, true, takers}});
}

// What may be written, as OpenAI has it; grammars are llama-server's own.
void AddFormat(const stages::OutputFormat& format, std::vector<Extra>* extras) {
  using Kind = stages::OutputFormat::Kind;
  switch (format.kind) {
    case Kind::kText:
      return;
    case Kind::kJsonObject:
      extras->push_back(
          {"json_object", "response_format", {{"type", "json_object"}}, true, kAllServers});
      return;
    case Kind::kJsonSchema: {
      // Not JSON: the server says so.
      const auto schema = text::ParseOrderedJson(format.text, "json_schema", kSchemaLimits);
      extras->push_back(
          {"json_schema",
           "response_format",
           {{"type", "json_schema"},
            {"json_schema",
             {{"name", "answer"}, {"strict", true}, {"schema", schema.value_or(nullptr)}}}},
           true,
           schema.ok() ? unsigned{kAllServers} : 0u});
      return;
    }
    case Kind::kGrammar:
      extras->push_back({"grammar", "grammar", format.text, true, kLlamaServer});
      return;
  }
}

// A field that no server takes has no takers.
std::vector<Extra> ExtrasOf(const stages::GenerateRequest& request, const ServerFacts& facts) {
  const stages::Sampling& sampling = request.sampling;
  constexpr unsigned kBoth = kLlamaServer | kVllm;
  const bool xtc = sampling.xtc_probability != 0;
  const bool repeats = sampling.repeat_penalty != 1;
  const bool frequency = sampling.frequency_penalty != 0;
  const bool presence = sampling.presence_penalty != 0;
  std::vector<Extra> extras = {
      {"sampling.top_k", "top_k", sampling.top_k, sampling.top_k != 0, kBoth},
      {"sampling.min_p", "min_p", sampling.min_p, sampling.min_p != 0, kBoth},
      {"sampling.typical_p", "typical_p", sampling.typical_p, sampling.typical_p != 1,
       kLlamaServer},
      {"sampling.xtc_probability", "xtc_probability", sampling.xtc_probability, xtc, kLlamaServer},
      {"sampling.xtc_threshold", "xtc_threshold", sampling.xtc_threshold, xtc, kLlamaServer},
      {"sampling.repeat_penalty", "repeat_penalty", sampling.repeat_penalty, repeats, kLlamaServer},
      {"sampling.repeat_last_n", "repeat_last_n", LastTokens(sampling.repeat_last_n, facts),
       repeats, kLlamaServer},
      {"sampling.frequency_penalty", "frequency_penalty", sampling.frequency_penalty, frequency,
       kAllServers},
      {"sampling.presence_penalty", "presence_penalty", sampling.presence_penalty, presence,
       kAllServers},
      {"ignore_eos", "ignore_eos", request.ignore_eos, request.ignore_eos, kBoth},
      {"choices", "n", request.choices, request.choices != 1, 0},
      {"top_logprobs", "top_logprobs", nullptr, request.top_logprobs.has_value(), 0},
  };
  if (!sampling.logit_bias.empty()) {
    extras.push_back({"sampling.logit_bias", "logit_bias",
                      LogitBiasJson(sampling.logit_bias, facts.kind), true, kAllServers});
  }
  if (sampling.dry_multiplier != 0) AddDry(sampling, facts, &extras);
  AddFormat(request.format, &extras);
  return extras;
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
  RAGMESH_RETURN_IF_ERROR(stages::CheckSampling(request.sampling, "sampling."));
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

json ToolChoiceJson(const stages::ToolChoice& choice) {
  if (!choice.name.empty()) return {{"type", "function"}, {"function", {{"name", choice.name}}}};
  switch (choice.mode) {
    case stages::ToolChoice::Mode::kNone:
      return "none";
    case stages::ToolChoice::Mode::kRequired:
      return "required";
    case stages::ToolChoice::Mode::kAuto:
      break;
  }
  return "auto";
}

absl::Status AddTools(const std::vector<stages::Tool>& tools, const stages::ToolChoice& choice,
                      json* body) {
  RAGMESH_RETURN_IF_ERROR(stages::CheckTools(tools, ""));
  RAGMESH_RETURN_IF_ERROR(stages::CheckToolChoice(choice, tools));
  if (tools.empty()) return absl::OkStatus();
  RAGMESH_ASSIGN_OR_RETURN((*body)["tools"], ToolsJson(tools));
  (*body)["tool_choice"] = ToolChoiceJson(choice);
  (*body)["parallel_tool_calls"] = !choice.single;
  return absl::OkStatus();
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
    const auto& chat = std::get<stages::ChatPrompt>(request.prompt);
    if (chat.messages.empty()) return InvalidField("messages", "must not be empty");
    for (const stages::ChatMessage& message : chat.messages) {
      bytes += message.content.size();
      for (const stages::ToolCall& call : message.tool_calls) bytes += call.arguments.size();
    }
    (*body)["messages"] = MessagesJson(chat.messages);
    RAGMESH_RETURN_IF_ERROR(AddTools(chat.tools, request.tool_choice, body));
  }
  if (bytes <= kMaxPromptBytes) return absl::OkStatus();
  return LimitExceeded("prompt", static_cast<long long>(bytes),
                       static_cast<long long>(kMaxPromptBytes), "bytes", "Send a shorter prompt.");
}

}  // namespace

json MessagesJson(const stages::ChatMessages& messages) {
  json list = json::array();
  for (const stages::ChatMessage& message : messages) {
    json turn = {{"role", RoleName(message.role)}, {"content", message.content}};
    for (const stages::ToolCall& call : message.tool_calls) {
      const std::string arguments = call.arguments.empty() ? "{}" : call.arguments;
      turn["tool_calls"].push_back({{"id", call.id},
                                    {"type", "function"},
                                    {"function", {{"name", call.name}, {"arguments", arguments}}}});
    }
    if (message.role == ChatRole::kTool) turn["tool_call_id"] = message.tool_call_id;
    list.push_back(std::move(turn));
  }
  return list;
}

absl::StatusOr<json> ToolsJson(const std::vector<stages::Tool>& tools) {
  json list = json::array();
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const stages::Tool& tool = tools[i];
    json function = {{"name", tool.name}, {"description", tool.description}};
    function["parameters"] = {{"type", "object"}, {"properties", json::object()}};
    if (!tool.parameters.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(
          function["parameters"],
          text::ParseOrderedJson(tool.parameters, absl::StrCat("tools[", i, "].parameters"),
                                 kSchemaLimits));
    }
    if (tool.strict) function["strict"] = true;
    list.push_back({{"type", "function"}, {"function", std::move(function)}});
  }
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
  for (Extra& extra : ExtrasOf(request, facts)) {
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
