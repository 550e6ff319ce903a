// What is known of a model server: which one it is, its model, and what it can do.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_SERVER_FACTS_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_SERVER_FACTS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::remote_generation {

// Bits, so that a set of kinds is a number.
enum ServerKind : unsigned {
  kOther = 1,  // speaks what all speak, nothing else is relied on
  kLlamaServer = 2,
  kVllm = 4,
};
inline constexpr unsigned kAllServers = kOther | kLlamaServer | kVllm;

const char* ServerKindName(ServerKind kind);  // "openai-compatible", "llama-server", "vllm"

struct ServerFacts {
  ServerKind kind = kOther;
  std::string model;                 // the name that requests carry
  std::uint32_t context_tokens = 0;  // 0: not stated

  // Whether the server's tokenizer can be asked.
  bool tokenizes() const { return kind != kOther; }
};

// The URL that the API's paths follow, and that of the server itself: "http://h/v3" gives
// "http://h/v3" and "http://h"; a URL that does not end in a version gets "/v1".
struct ServerUrls {
  std::string api;
  std::string root;
};
ServerUrls SplitServerUrl(absl::string_view url);

// Reads the answer of /models. `wanted` is the model to use; empty: the only one there is.
// FAILED_PRECONDITION / REMOTE_MODEL_NOT_FOUND when it is not there or cannot be chosen, with the
// names there are; UNAVAILABLE / REMOTE_BAD_ANSWER for what is no such list.
absl::StatusOr<ServerFacts> ReadModelList(absl::string_view body, const std::string& wanted);

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_SERVER_FACTS_H_
