#include "libs/remote_generation/server_error.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::remote_generation {
namespace {

using nlohmann::json;

constexpr text::JsonLimits kErrorLimits{.max_bytes = 64 << 10, .max_depth = 8};

// The error object of `body`: {"error":{..}}, or the body itself as older servers have it. Null
// when there is none.
json ErrorObject(absl::string_view body) {
  auto parsed = text::ParseBoundedJson(body, "error", kErrorLimits);
  if (!parsed.ok() || !parsed->is_object()) return json();
  if (const auto inner = parsed->find("error"); inner != parsed->end() && inner->is_object())
    return *inner;
  return *std::move(parsed);
}

std::string Text(const json& error, const char* name) {
  if (!error.is_object()) return "";
  const auto found = error.find(name);
  if (found == error.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  return found->is_number_integer() ? found->dump() : "";
}

std::string Identifier(const json& error, const char* name) {
  std::string text = Text(error, name);
  const bool plain = text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
                       return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
                              c == '-' || c == '.';
                     });
  return plain ? text : "";
}

// The number that follows `before` in `text`, or that stands before `after`.
std::string NumberAfter(absl::string_view text, absl::string_view before) {
  std::size_t at = text.find(before);
  if (at == absl::string_view::npos) return "";
  at += before.size();
  std::size_t end = at;
  while (end < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[end]))) ++end;
  return std::string(text.substr(at, std::min<std::size_t>(end - at, 12)));
}

std::string NumberBefore(absl::string_view text, absl::string_view after) {
  const std::size_t end = text.find(after);
  if (end == absl::string_view::npos) return "";
  std::size_t at = end;
  while (at > 0 && end - at < 12 && absl::ascii_isdigit(static_cast<unsigned char>(text[at - 1])))
    --at;
  return std::string(text.substr(at, end - at));
}

// llama-server names the type and both counts, OpenAI's own a code, vLLM says it in words.
std::optional<absl::Status> ContextTooLong(const json& error) {
  const std::string message = Text(error, "message");
  const bool stated = Text(error, "type") == "exceed_context_size_error" ||
                      Text(error, "code") == "context_length_exceeded";
  if (!stated && !absl::StrContains(message, "maximum context length")) return std::nullopt;
  std::string prompt = Text(error, "n_prompt_tokens");
  std::string context = Text(error, "n_ctx");
  if (context.empty()) context = NumberAfter(message, "maximum context length is ");
  for (const char* unit : {" in the messages", " in the prompt", " input tokens"}) {
    if (prompt.empty()) prompt = NumberBefore(message, unit);
  }
  ErrorDetail detail{.reason = "CONTEXT_TOO_LONG",
                     .field = "prompt",
                     .next_step =
                         "Send fewer or shorter passages or messages, or ask for fewer "
                         "max_tokens."};
  if (!prompt.empty()) detail.metadata["prompt_tokens"] = prompt;
  if (!context.empty()) detail.metadata["context_tokens"] = context;
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("the prompt has ", prompt.empty() ? "too many" : prompt,
                                " tokens, and the model server's context",
                                context.empty() ? "" : absl::StrCat(" of ", context),
                                " must also hold the answer"),
                   detail);
}

}  // namespace

absl::Status BadAnswer(absl::string_view problem) {
  return Unavailable("REMOTE_BAD_ANSWER", absl::StrCat("the model server's answer ", problem),
                     "Check that --generator_url names an OpenAI-compatible server.");
}

absl::Status ServerError(int http_status, absl::string_view body,
                         std::optional<absl::Duration> retry_after, const std::string& key_file) {
  const json error = ErrorObject(body);
  std::string what = absl::StrCat("HTTP ", http_status);
  for (const char* name : {"type", "code"}) {
    const std::string word = Identifier(error, name);
    if (!word.empty() && word != absl::StrCat(http_status)) absl::StrAppend(&what, ", ", word);
  }
  switch (http_status) {
    case 400:
    case 413:
    case 422:
      if (const auto too_long = ContextTooLong(error); too_long.has_value()) return *too_long;
      return MakeError(absl::StatusCode::kInvalidArgument,
                       absl::StrCat("the model server refused the request: ", what),
                       {.reason = "REMOTE_REFUSED",
                        .field = Identifier(error, "param"),
                        .next_step = "The model server's log says why."});
    case 401:
    case 403:
      return WrongState("REMOTE_KEY_REFUSED",
                        key_file.empty() ? absl::StrCat("the model server wants a key: ", what)
                                         : absl::StrCat("the model server refused the key in ",
                                                        key_file, ": ", what),
                        "Put the right key into a file and name it with --generator_key_file.");
    case 404:
      return WrongState("REMOTE_NOT_FOUND",
                        absl::StrCat("the model server has no such model or path: ", what),
                        "Check --generator_url and --generator_remote_model.");
    case 429:
      return MakeError(absl::StatusCode::kResourceExhausted,
                       absl::StrCat("the model server has no room for more: ", what),
                       {.reason = "QUEUE_FULL",
                        .next_step = "Retry after the given delay, or add a replica of it.",
                        .retry_after = retry_after.value_or(absl::Seconds(1))});
    default:
      break;
  }
  if (http_status >= 300 && http_status < 400) {
    return WrongState("REMOTE_REDIRECTS",
                      absl::StrCat("the model server redirects elsewhere: ", what),
                      "Name the final address in --generator_url; redirects are not followed.");
  }
  return Unavailable("REMOTE_FAILED", absl::StrCat("the model server failed: ", what),
                     "The model server's log says why.", retry_after.value_or(absl::Seconds(1)));
}

bool IsServerFault(const absl::Status& error) {
  const auto detail = GetErrorDetail(error);
  if (!detail.has_value() || !absl::StartsWith(detail->reason, "REMOTE_")) return false;
  return absl::IsUnavailable(error) || absl::IsFailedPrecondition(error);
}

}  // namespace ragmesh::remote_generation
