// Bodies of OpenAI's chat completions and embeddings, checked and in our words.
#ifndef RAGMESH_LIBS_BRIDGE_OPENAI_REQUEST_H_
#define RAGMESH_LIBS_BRIDGE_OPENAI_REQUEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ragmesh/gateway/v1/gateway.pb.h"

namespace ragmesh::bridge {

struct ChatCompletionRequest {
  std::string model;
  bool stream = false;
  bool include_usage = false;
  // The whole request for plain chat.
  ragmesh::gateway::v1::ChatRequest chat;
  // The request for an answer from documents: the last user message is the question, the turns
  // before it are history, and the body's "rag" object sets collection, mode, top_k, filter and so
  // on, by the names of AskRequest. System messages have no place in it.
  ragmesh::gateway::v1::AskRequest ask;
  // INVALID_ARGUMENT / UNSUPPORTED_PARAMETER when the body asks for what only plain chat can do: n
  // over 1, tools, logprobs, penalties and the like.
  absl::Status ask_refusal;
};

struct EmbeddingsRequest {
  std::string model;
  bool base64 = false;
  std::optional<std::uint32_t> dimensions;
  ragmesh::gateway::v1::EmbedRequest embed;
};

// INVALID_ARGUMENT with the parameter's name as field. What would change the answer and is not
// supported (images, audio, ...) is refused; what only informs (user, metadata, store, ...) is
// ignored. llama-server's parameters of sampling are taken by their names: top_k, min_p, typical_p,
// xtc_*, repeat_*, dry_*.
absl::StatusOr<ChatCompletionRequest> ParseChatCompletion(absl::string_view body);
absl::StatusOr<EmbeddingsRequest> ParseEmbeddings(absl::string_view body);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_OPENAI_REQUEST_H_
