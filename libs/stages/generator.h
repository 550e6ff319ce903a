// Stage 6: a prompt -> a stream of tokens.
#ifndef RAGMESH_LIBS_STAGES_GENERATOR_H_
#define RAGMESH_LIBS_STAGES_GENERATOR_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/stages/byte_range.h"
#include "libs/stages/sampling.h"
#include "libs/stages/stage_info.h"
#include "libs/stages/tools.h"

namespace ragmesh::stages {

enum class ChatRole { kSystem, kUser, kAssistant, kTool };

struct ChatMessage {
  ChatRole role = ChatRole::kUser;
  std::string content;
  // Passages in `content` that other prompts hold too, in order, apart from each other.
  std::vector<ByteRange> passages = {};
  std::vector<ToolCall> tool_calls = {};  // of kAssistant, at most kMaxToolCalls
  std::string tool_call_id = {};          // of kTool: the call whose result `content` is
};
using ChatMessages = std::vector<ChatMessage>;

// A conversation, rendered with the model's own chat template. Special tokens are never parsed out
// of what it holds, except by model servers that do so (libs/remote_generation).
struct ChatPrompt {
  ChatPrompt() = default;
  ChatPrompt(ChatMessages messages, std::vector<Tool> tools = {})  // NOLINT: a conversation is one
      : messages(std::move(messages)), tools(std::move(tools)) {}

  ChatMessages messages;
  std::vector<Tool> tools;  // that the model may call, see CheckTools
};

// Used as it is. Special tokens are parsed only when `parse_special` says so.
struct RawPrompt {
  std::string text;
  bool parse_special = false;
};

using Prompt = std::variant<ChatPrompt, RawPrompt>;

// What may be written.
struct OutputFormat {
  enum class Kind { kText, kJsonObject, kJsonSchema, kGrammar };
  Kind kind = Kind::kText;
  std::string text;  // the schema, or the grammar in GBNF

  bool operator==(const OutputFormat&) const = default;
};

struct GenerateRequest {
  Prompt prompt;
  Sampling sampling;
  std::uint32_t max_tokens = 0;   // 0: as many as the context has room for
  std::vector<std::string> stop;  // at most 16, none empty; a stop string is not part of the output
  bool ignore_eos = false;        // for measurements
  std::uint32_t choices = 1;      // texts to write, 1 to kMaxChoices; each has its own seed
  // Set: log-probabilities come with the tokens, with those of so many alternatives, up to
  // kMaxTopLogprobs.
  std::optional<std::uint32_t> top_logprobs;
  OutputFormat format;     // text beside tools, unless tool_choice is kNone
  ToolChoice tool_choice;  // among the tools of the prompt
  std::string tenant;      // tenants take turns, and share nothing that is kept of prompts
};

inline constexpr std::uint32_t kMaxChoices = 8;
inline constexpr std::uint32_t kMaxTopLogprobs = 20;

struct ScoredToken {
  std::uint32_t token_id = 0;
  std::string bytes;  // its text, maybe a part of a character; empty for control tokens
  // Natural, of the model's own distribution, before bias, penalties, filters and temperature; at
  // least -9999.
  float logprob = 0;
};

struct TokenLogprobs {
  ScoredToken chosen;
  std::vector<ScoredToken> top;  // likeliest first; may hold the chosen one
};

struct TokenEvent {
  std::string text;  // whole UTF-8 characters; may be empty while one is incomplete
  std::vector<std::uint32_t> token_ids;        // tokens that made `text`
  std::uint32_t choice = 0;                    // which of the texts goes on
  std::vector<TokenLogprobs> logprobs;         // one a token when asked for
  std::vector<ToolCallDelta> tool_calls = {};  // what the tokens add to calls
};

// kLength: max_tokens or end of context. kToolCalls: the text has ended, and holds calls.
enum class FinishReason { kStop, kLength, kToolCalls, kCancelled };

struct Usage {
  std::uint32_t prompt_tokens = 0;
  std::uint32_t cached_prompt_tokens = 0;  // of prompt_tokens, taken from a cache
  std::uint32_t completion_tokens = 0;
};

struct ChoiceEnd {
  FinishReason finish_reason = FinishReason::kStop;
  std::string stop_sequence;  // the one that matched, empty when none did
  std::uint64_t seed = 0;
};

struct GenerateResult {
  FinishReason finish_reason = FinishReason::kStop;  // of the first choice, as the next two
  std::string stop_sequence;                         // the one that matched, empty when none did
  Usage usage;                                       // of all choices; the prompt counts once
  std::uint64_t seed = 0;
  std::vector<ChoiceEnd> other_choices;  // from the second on
  double queue_seconds = 0;
  double prefill_seconds = 0;  // prompt to first token, without the queue
  double decode_seconds = 0;
};

class Generator {
 public:
  virtual ~Generator() = default;

  // Calls `on_token` from the calling thread, in order; events of several choices come mixed. A
  // non-OK status from it ends the generation with that status. INVALID_ARGUMENT / CONTEXT_TOO_LONG
  // with counts when the prompt does not fit; UNAVAILABLE / MODEL_NOT_LOADED; RESOURCE_EXHAUSTED /
  // QUEUE_FULL or DEADLINE_TOO_SHORT, with when to retry; FAILED_PRECONDITION / NO_TOOL_FORMAT for
  // tools that the model's template has no place for, or calls in a way that is not read.
  virtual absl::StatusOr<GenerateResult> Generate(
      const GenerateRequest& request, absl::FunctionRef<absl::Status(const TokenEvent&)> on_token,
      const CallContext& call) = 0;

  // Token ids of `prompt` as Generate would read it. UNIMPLEMENTED where they cannot be known.
  virtual absl::StatusOr<std::vector<std::uint32_t>> Tokenize(const Prompt& prompt,
                                                              const CallContext& call) = 0;

  virtual absl::StatusOr<StageInfo> Info(const CallContext& call) = 0;
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_GENERATOR_H_
