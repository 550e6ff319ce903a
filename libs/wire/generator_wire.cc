#include "libs/wire/generator_wire.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/wire/sampling_wire.h"
#include "libs/wire/tools_wire.h"

namespace ragmesh::wire {
namespace {

namespace v1 = ::ragmesh::generator::v1;

constexpr std::size_t kMaxMessages = 1024;
constexpr std::size_t kMaxMessageBytes = 1 << 20;
constexpr std::size_t kMaxRawBytes = 4 << 20;
constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::size_t kMaxPassages = 256;
constexpr std::size_t kMaxTenantBytes = 63;

v1::Role RoleTo(stages::ChatRole role) {
  switch (role) {
    case stages::ChatRole::kSystem:
      return v1::ROLE_SYSTEM;
    case stages::ChatRole::kUser:
      return v1::ROLE_USER;
    case stages::ChatRole::kAssistant:
      return v1::ROLE_ASSISTANT;
    case stages::ChatRole::kTool:
      return v1::ROLE_TOOL;
  }
  return v1::ROLE_UNSPECIFIED;
}

absl::StatusOr<stages::ChatRole> RoleFrom(v1::Role role, const Field& field) {
  switch (role) {
    case v1::ROLE_SYSTEM:
      return stages::ChatRole::kSystem;
    case v1::ROLE_USER:
      return stages::ChatRole::kUser;
    case v1::ROLE_ASSISTANT:
      return stages::ChatRole::kAssistant;
    case v1::ROLE_TOOL:
      return stages::ChatRole::kTool;
    default:
      return field.Invalid("must be one of system, user, assistant, tool");
  }
}

absl::StatusOr<std::vector<stages::ByteRange>> PassagesFrom(const v1::ChatMessage& message,
                                                            const Field& field) {
  RAGMESH_RETURN_IF_ERROR(CheckCount(message.passages_size(), 0, kMaxPassages, "passages", field));
  std::vector<stages::ByteRange> passages;
  std::uint64_t last = 0;
  for (const common::v1::ByteRange& range : message.passages()) {
    if (range.begin() < last || range.end() <= range.begin() ||
        range.end() > message.content().size()) {
      return field.Invalid("must be in order, apart from each other, not empty and within content");
    }
    last = range.end();
    passages.push_back({range.begin(), range.end()});
  }
  return passages;
}

absl::StatusOr<stages::ChatPrompt> ChatFrom(const v1::ChatPrompt& chat, const Field& field) {
  RAGMESH_RETURN_IF_ERROR(
      CheckCount(chat.messages_size(), 1, kMaxMessages, "messages", Field(field, "messages")));
  stages::ChatMessages messages;
  for (int i = 0; i < chat.messages_size(); ++i) {
    const Field at(field, "messages", i);
    stages::ChatMessage message;
    RAGMESH_ASSIGN_OR_RETURN(message.role, RoleFrom(chat.messages(i).role(), Field(at, "role")));
    message.content = chat.messages(i).content();
    RAGMESH_RETURN_IF_ERROR(CheckBytes(message.content, 0, kMaxMessageBytes, Field(at, "content")));
    RAGMESH_ASSIGN_OR_RETURN(message.passages,
                             PassagesFrom(chat.messages(i), Field(at, "passages")));
    RAGMESH_RETURN_IF_ERROR(MessageToolsFromProto(chat.messages(i), at, &message));
    messages.push_back(std::move(message));
  }
  RAGMESH_ASSIGN_OR_RETURN(std::vector<stages::Tool> tools, ToolsFromProto(chat, field));
  return stages::ChatPrompt(std::move(messages), std::move(tools));
}

v1::FinishReason ReasonTo(stages::FinishReason reason) {
  switch (reason) {
    case stages::FinishReason::kLength:
      return v1::FINISH_REASON_LENGTH;
    case stages::FinishReason::kToolCalls:
      return v1::FINISH_REASON_TOOL_CALLS;
    case stages::FinishReason::kStop:
    case stages::FinishReason::kCancelled:
      break;
  }
  return v1::FINISH_REASON_STOP;
}

stages::FinishReason ReasonFrom(v1::FinishReason reason) {
  switch (reason) {
    case v1::FINISH_REASON_LENGTH:
      return stages::FinishReason::kLength;
    case v1::FINISH_REASON_TOOL_CALLS:
      return stages::FinishReason::kToolCalls;
    default:
      return stages::FinishReason::kStop;
  }
}

void SetSeconds(double seconds, google::protobuf::Duration* out) {
  const double whole = std::floor(seconds);
  out->set_seconds(static_cast<std::int64_t>(whole));
  out->set_nanos(static_cast<std::int32_t>((seconds - whole) * 1e9));
}

// A peer may state anything; what a Duration cannot be becomes the nearest that it can.
double Seconds(const google::protobuf::Duration& in) {
  constexpr std::int64_t kMaxSeconds = 315'576'000'000;  // 10,000 years, as protobuf has it
  return static_cast<double>(std::clamp<std::int64_t>(in.seconds(), 0, kMaxSeconds)) +
         std::clamp(in.nanos(), 0, 999'999'999) * 1e-9;
}

}  // namespace

void ToProto(const Prompt& prompt, v1::Prompt* out) {
  if (const auto* raw = std::get_if<stages::RawPrompt>(&prompt)) {
    out->mutable_raw()->set_text(raw->text);
    out->mutable_raw()->set_parse_special(raw->parse_special);
    return;
  }
  auto* chat = out->mutable_chat();
  const auto& from = std::get<stages::ChatPrompt>(prompt);
  for (const stages::Tool& tool : from.tools) ToProto(tool, chat->add_tools());
  for (const stages::ChatMessage& message : from.messages) {
    auto* added = chat->add_messages();
    added->set_role(RoleTo(message.role));
    added->set_content(message.content);
    MessageToolsToProto(message, added);
    for (const stages::ByteRange& range : message.passages) {
      auto* passage = added->add_passages();
      passage->set_begin(range.begin);
      passage->set_end(range.end);
    }
  }
}

absl::StatusOr<Prompt> FromProto(const v1::Prompt& prompt, const Field& field) {
  switch (prompt.kind_case()) {
    case v1::Prompt::kChat:
      return ChatFrom(prompt.chat(), Field(field, "chat"));
    case v1::Prompt::kRaw: {
      const Field raw(field, "raw");
      RAGMESH_RETURN_IF_ERROR(CheckBytes(prompt.raw().text(), 1, kMaxRawBytes, Field(raw, "text")));
      return Prompt(stages::RawPrompt{prompt.raw().text(), prompt.raw().parse_special()});
    }
    case v1::Prompt::KIND_NOT_SET:
      break;
  }
  return field.Invalid("is required", "Set chat or raw.");
}

void ToProto(const stages::GenerateRequest& request, v1::GenerateRequest* out) {
  ToProto(request.prompt, out->mutable_prompt());
  SamplingToProto(request.sampling, out->mutable_sampling());
  out->set_max_tokens(request.max_tokens);
  *out->mutable_stop() = {request.stop.begin(), request.stop.end()};
  out->set_ignore_eos(request.ignore_eos);
  out->set_choices(request.choices);
  if (request.top_logprobs.has_value()) out->set_top_logprobs(*request.top_logprobs);
  FormatToProto(request.format, out);
  ToolChoiceToProto(request.tool_choice, out);
  out->set_tenant(request.tenant);
}

absl::StatusOr<stages::GenerateRequest> FromProto(const v1::GenerateRequest& in,
                                                  const Field& field) {
  stages::GenerateRequest request;
  RAGMESH_ASSIGN_OR_RETURN(request.prompt, FromProto(in.prompt(), Field(field, "prompt")));
  RAGMESH_ASSIGN_OR_RETURN(
      request.sampling,
      SamplingFromProto(in.sampling(), Field(field, "sampling").ToString() + "."));
  request.max_tokens = in.max_tokens();
  RAGMESH_RETURN_IF_ERROR(
      CheckCount(in.stop_size(), 0, kMaxStops, "strings", Field(field, "stop")));
  for (int i = 0; i < in.stop_size(); ++i) {
    RAGMESH_RETURN_IF_ERROR(CheckBytes(in.stop(i), 1, kMaxStopBytes, Field(field, "stop", i)));
  }
  request.stop.assign(in.stop().begin(), in.stop().end());
  request.ignore_eos = in.ignore_eos();
  RAGMESH_ASSIGN_OR_RETURN(request.choices, ChoicesFromProto(in, Field(field, "choices")));
  RAGMESH_ASSIGN_OR_RETURN(request.top_logprobs,
                           TopLogprobsFromProto(in, Field(field, "top_logprobs")));
  RAGMESH_ASSIGN_OR_RETURN(request.format, FormatFromProto(in, field));
  RAGMESH_ASSIGN_OR_RETURN(request.tool_choice, ToolChoiceFromProto(in, field));
  RAGMESH_RETURN_IF_ERROR(CheckBytes(in.tenant(), 0, kMaxTenantBytes, Field(field, "tenant")));
  request.tenant = in.tenant();
  return request;
}

void ToProto(const stages::TokenEvent& event, v1::TokenEvent* out) {
  out->set_text(event.text);
  *out->mutable_token_ids() = {event.token_ids.begin(), event.token_ids.end()};
  out->set_choice(event.choice);
  for (const stages::TokenLogprobs& logprobs : event.logprobs)
    LogprobsToProto(logprobs, out->add_logprobs());
  for (const stages::ToolCallDelta& delta : event.tool_calls) ToProto(delta, out->add_tool_calls());
}

stages::TokenEvent FromProto(const v1::TokenEvent& event) {
  stages::TokenEvent out{.text = event.text(),
                         .token_ids = {event.token_ids().begin(), event.token_ids().end()},
                         .choice = event.choice()};
  for (const v1::TokenLogprobs& logprobs : event.logprobs())
    out.logprobs.push_back(LogprobsFromProto(logprobs));
  for (const common::v1::ToolCallDelta& delta : event.tool_calls())
    out.tool_calls.push_back(FromProto(delta));
  return out;
}

void ToProto(const stages::Usage& usage, v1::Usage* out) {
  out->set_prompt_tokens(usage.prompt_tokens);
  out->set_cached_prompt_tokens(usage.cached_prompt_tokens);
  out->set_completion_tokens(usage.completion_tokens);
}

stages::Usage FromProto(const v1::Usage& usage) {
  return {usage.prompt_tokens(), usage.cached_prompt_tokens(), usage.completion_tokens()};
}

void ToProto(const stages::GenerateResult& result, v1::Summary* out) {
  out->set_finish_reason(ReasonTo(result.finish_reason));
  out->set_stop_sequence(result.stop_sequence);
  ToProto(result.usage, out->mutable_usage());
  out->set_seed(result.seed);
  SetSeconds(result.queue_seconds, out->mutable_queue_time());
  SetSeconds(result.prefill_seconds, out->mutable_prefill_time());
  SetSeconds(result.decode_seconds, out->mutable_decode_time());
  for (const stages::ChoiceEnd& choice : result.other_choices) {
    auto* added = out->add_other_choices();
    added->set_finish_reason(ReasonTo(choice.finish_reason));
    added->set_stop_sequence(choice.stop_sequence);
    added->set_seed(choice.seed);
  }
}

stages::GenerateResult FromProto(const v1::Summary& in) {
  stages::GenerateResult result;
  result.finish_reason = ReasonFrom(in.finish_reason());
  result.stop_sequence = in.stop_sequence();
  result.usage = FromProto(in.usage());
  result.seed = in.seed();
  result.queue_seconds = Seconds(in.queue_time());
  result.prefill_seconds = Seconds(in.prefill_time());
  result.decode_seconds = Seconds(in.decode_time());
  for (const v1::ChoiceEnd& choice : in.other_choices()) {
    result.other_choices.push_back(
        {ReasonFrom(choice.finish_reason()), choice.stop_sequence(), choice.seed()});
  }
  return result;
}

}  // namespace ragmesh::wire
