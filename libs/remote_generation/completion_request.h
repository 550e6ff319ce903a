// Our requests in the words of an OpenAI-compatible server.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_COMPLETION_REQUEST_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_COMPLETION_REQUEST_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/remote_generation/server_facts.h"
#include "libs/stages/generator.h"

namespace ragmesh::remote_generation {

// [{"role": .., "content": ..}, ..], with "tool_calls" and "tool_call_id" where there are any.
nlohmann::ordered_json MessagesJson(const stages::ChatMessages& messages);

// [{"type": "function", "function": {..}}, ..]. INVALID_ARGUMENT that names the field for
// parameters that are no JSON.
absl::StatusOr<nlohmann::ordered_json> ToolsJson(const std::vector<stages::Tool>& tools);

// `value` as text; what is not UTF-8 becomes U+FFFD.
std::string Dump(const nlohmann::ordered_json& value);

// Room for the answer to a raw prompt without max_tokens, and its text as ids where that is how the
// server keeps special tokens in it from being read; unset: the text itself.
struct RawPlan {
  std::uint32_t max_tokens = 0;
  std::optional<std::vector<std::uint32_t>> ids;
};

// The body of a streamed /chat/completions request for chat prompts, of /completions for raw ones.
// What every server of these paths takes is always sent. What only some take is sent to those that
// `facts` knows to take it, even at its default, since theirs differ; elsewhere a value other than
// the default is INVALID_ARGUMENT / UNSUPPORTED_BY_SERVER naming the field. INVALID_FIELD for what
// is out of range.
absl::StatusOr<std::string> CompletionBody(const stages::GenerateRequest& request,
                                           const ServerFacts& facts, std::uint64_t seed,
                                           const RawPlan& raw);

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_COMPLETION_REQUEST_H_
