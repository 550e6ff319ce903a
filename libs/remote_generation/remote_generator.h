// The generator stage on a model server that speaks OpenAI's HTTP API: llama-server, vLLM, NIM,
// OpenVINO Model Server and the like.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_REMOTE_GENERATOR_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_REMOTE_GENERATOR_H_

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/remote_generation/completion_request.h"
#include "libs/remote_generation/http_client.h"
#include "libs/remote_generation/server_facts.h"
#include "libs/stages/generator.h"

namespace ragmesh::remote_generation {

// Thread-safe. A call runs on its caller's thread and holds one connection. What differs from the
// engine of this process:
//   - The server renders chats, and may read special tokens that stand in their contents.
//   - Token events carry no ids, and their text is what the server sends at a time.
//   - Which stop string matched is known from vLLM only.
//   - Queue and prefill time cannot be told apart: the time to the first text is prefill_seconds.
class RemoteGenerator final : public stages::Generator {
 public:
  struct Options {
    std::string url;    // as for --generator_url
    std::string model;  // empty: the only one the server has
    HttpClient::Options http;
  };

  // INVALID_ARGUMENT for the URL. Asks the server nothing yet.
  static absl::StatusOr<std::unique_ptr<RemoteGenerator>> Create(const Options& options);

  // Errors as of ServerError and HttpClient::Send.
  absl::StatusOr<stages::GenerateResult> Generate(
      const stages::GenerateRequest& request,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token,
      const CallContext& call) override;

  // UNIMPLEMENTED / NO_REMOTE_TOKENIZER for servers other than llama-server and vLLM.
  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(const stages::Prompt& prompt,
                                                      const CallContext& call) override;

  // What was learned of the server last, without asking it; ready once anything was. The digest of
  // its weights is not known and stays empty.
  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

  // Learns the server's facts anew and has it write one token. A server that is busy is well.
  absl::Status Probe(const CallContext& call);

 private:
  explicit RemoteGenerator(const Options& options);

  absl::StatusOr<ServerFacts> Facts(const CallContext& call);
  absl::StatusOr<ServerFacts> LearnFacts(const CallContext& call);
  absl::StatusOr<RawPlan> PlanRaw(const stages::GenerateRequest& request, const ServerFacts& facts,
                                  const CallContext& call);
  absl::StatusOr<stages::GenerateResult> Stream(
      const std::string& url, const std::string& body,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token, const CallContext& call);
  // The whole body of a 200 answer; errors as ServerError.
  absl::StatusOr<std::string> Fetch(const std::string& url, const std::string* json,
                                    const CallContext& call);
  absl::StatusOr<std::vector<std::uint32_t>> TokenizeAt(const nlohmann::ordered_json& request,
                                                        const CallContext& call);

  const Options options_;
  const ServerUrls urls_;
  HttpClient http_;
  absl::Mutex mutex_;
  std::optional<ServerFacts> facts_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_REMOTE_GENERATOR_H_
