#include "libs/remote_generation/completion_stream.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/remote_generation/server_error.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::remote_generation {
namespace {

using nlohmann::json;

constexpr text::JsonLimits kEventLimits{.max_bytes = 1 << 20, .max_depth = 32};
constexpr std::size_t kMaxTextBytes = 16 << 20;

// The member `name`, or null when there is none or it is null.
const json* Member(const json& object, const char* name) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::uint32_t Count(const json& object, const char* name) {
  const json* const value = Member(object, name);
  if (value == nullptr || !value->is_number_unsigned()) return 0;
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(
      value->get<std::uint64_t>(), std::numeric_limits<std::uint32_t>::max()));
}

stages::Usage ReadUsage(const json& usage) {
  stages::Usage read;
  read.prompt_tokens = Count(usage, "prompt_tokens");
  read.completion_tokens = Count(usage, "completion_tokens");
  if (const json* details = Member(usage, "prompt_tokens_details"); details != nullptr)
    read.cached_prompt_tokens = std::min(Count(*details, "cached_tokens"), read.prompt_tokens);
  return read;
}

// The first choice; null when the event has none.
const json* FirstChoice(const json& event) {
  const json* const choices = Member(event, "choices");
  if (choices == nullptr || !choices->is_array() || choices->empty()) return nullptr;
  return &choices->front();
}

// The text of a choice: in its delta for chats, else its own. Null when it has none.
const json* TextOf(const json& choice) {
  if (const json* delta = Member(choice, "delta"); delta != nullptr)
    return Member(*delta, "content");
  return Member(choice, "text");
}

// The calls that a choice adds to; null when it adds to none.
const json* CallsOf(const json& choice) {
  const json* const delta = Member(choice, "delta");
  return delta == nullptr ? nullptr : Member(*delta, "tool_calls");
}

// Empty when it is absent; nullopt when it is no string.
std::optional<std::string> Text(const json& object, const char* name) {
  const json* const value = Member(object, name);
  if (value == nullptr) return "";
  if (!value->is_string()) return std::nullopt;
  return value->get<std::string>();
}

absl::StatusOr<stages::FinishReason> FinishReasonOf(const json& reason) {
  if (reason == "stop") return stages::FinishReason::kStop;
  if (reason == "length") return stages::FinishReason::kLength;
  if (reason == "tool_calls") return stages::FinishReason::kToolCalls;
  if (reason == "content_filter") {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     "the model server's filter ended the answer",
                     {.reason = "CONTENT_FILTERED",
                      .next_step = "Ask differently, or change the server's filter."});
  }
  return BadAnswer("ends for a reason that is not known");
}

}  // namespace

absl::Status CompletionStream::Add(
    absl::string_view piece, absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token) {
  return events_.Add(piece, [&](absl::string_view data) { return TakeEvent(data, on_token); });
}

absl::Status CompletionStream::TakeEvent(
    absl::string_view data, absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token) {
  if (done_) return absl::OkStatus();
  if (absl::StripAsciiWhitespace(data) == "[DONE]") {
    done_ = true;
    return absl::OkStatus();
  }
  const auto event = text::ParseBoundedJson(data, "event", kEventLimits);
  if (!event.ok() || !event->is_object()) return BadAnswer("has an event that is no JSON object");
  if (const json* error = Member(*event, "error"); error != nullptr) {
    const std::uint32_t code = Count(*error, "code");
    return ServerError(code >= 400 && code < 600 ? static_cast<int>(code) : 500, data, std::nullopt,
                       key_file_);
  }
  if (const json* usage = Member(*event, "usage"); usage != nullptr)
    result_.usage = ReadUsage(*usage);
  const json* const choice = FirstChoice(*event);
  if (choice == nullptr) return absl::OkStatus();
  RAGMESH_RETURN_IF_ERROR(TakeContent(*choice, on_token));
  if (const json* reason = Member(*choice, "finish_reason"); reason != nullptr) {
    RAGMESH_ASSIGN_OR_RETURN(result_.finish_reason, FinishReasonOf(*reason));
    // Some servers stop where a call that was asked for by name ends.
    if (called_ && result_.finish_reason == stages::FinishReason::kStop)
      result_.finish_reason = stages::FinishReason::kToolCalls;
    finished_ = true;
    // vLLM's own; a number there is an end token.
    if (const json* stop = Member(*choice, "stop_reason"); stop != nullptr && stop->is_string())
      result_.stop_sequence = stop->get<std::string>();
  }
  return absl::OkStatus();
}

absl::Status CompletionStream::TakeContent(const json& choice, OnToken on_token) {
  stages::TokenEvent event;
  if (const json* text = TextOf(choice); text != nullptr) {
    if (!text->is_string()) return BadAnswer("has a text that is no string");
    event.text = text->get<std::string>();
    text_bytes_ += event.text.size();
  }
  if (const json* calls = CallsOf(choice); calls != nullptr)
    RAGMESH_RETURN_IF_ERROR(ReadCalls(*calls, &event));
  if (text_bytes_ > kMaxTextBytes) return BadAnswer("has over 16 MiB of text");
  if (event.text.empty() && event.tool_calls.empty()) return absl::OkStatus();
  if (first_text_ == absl::InfinitePast()) first_text_ = absl::Now();
  return on_token(event);
}

absl::Status CompletionStream::ReadCalls(const json& list, stages::TokenEvent* event) {
  if (!list.is_array()) return BadAnswer("has calls that are no list");
  for (const json& entry : list) {
    stages::ToolCallDelta delta{.index = Count(entry, "index")};
    if (delta.index >= stages::kMaxToolCalls) return BadAnswer("has over 128 calls");
    const json* const function = Member(entry, "function");
    std::optional<std::string> id = Text(entry, "id"), name = "", arguments = "";
    if (function != nullptr) {
      name = Text(*function, "name");
      arguments = Text(*function, "arguments");
    }
    const bool fits = id.has_value() && name.has_value() && arguments.has_value() &&
                      id->size() <= stages::kMaxToolCallIdBytes &&
                      (name->empty() || stages::IsToolName(*name));
    if (!fits) return BadAnswer("has a call that is malformed");
    delta.id = *std::move(id);
    delta.name = *std::move(name);
    delta.arguments = *std::move(arguments);
    text_bytes_ += delta.arguments.size();
    event->tool_calls.push_back(std::move(delta));
    called_ = true;
  }
  return absl::OkStatus();
}

absl::StatusOr<stages::GenerateResult> CompletionStream::Finish() const {
  if (finished_) return result_;
  return Unavailable("REMOTE_CUT", "the model server ended its stream before the answer's end",
                     "Check the model server's log.");
}

}  // namespace ragmesh::remote_generation
