// What generator_bench does with the whole stage, as a service runs it.
#ifndef RAGMESH_BENCH_GENERATOR_STAGE_WORK_H_
#define RAGMESH_BENCH_GENERATOR_STAGE_WORK_H_

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"
#include "bench/generator/requests.h"
#include "libs/base/call_context.h"
#include "libs/stages/generator.h"

namespace ragmesh::bench {

// One method for each request; bench/peers/README.md has their fields. Stages are loaded once for
// each set of options. Used by one thread.
class StageWork {
 public:
  // Until a service would be ready; then one token, so that every weight was read.
  absl::StatusOr<nlohmann::json> Start(const nlohmann::json& request);
  // A greedy answer of "tokens" tokens to each of the prompts, all at the same time.
  absl::StatusOr<nlohmann::json> Streams(const nlohmann::json& request);
  // Of a raw prompt, or of a chat whose one message is "passages", blank lines between, and a
  // "question".
  absl::StatusOr<nlohmann::json> FirstToken(const nlohmann::json& request);
  // Answers of at most "tokens" tokens to chats of one message, one after another; with "schema",
  // in JSON under it.
  absl::StatusOr<nlohmann::json> Answers(const nlohmann::json& request);
  // What is written greedily, at most "tokens" tokens, after each of the raw prompts, in which
  // special tokens are spelled out. Eight are written at a time.
  absl::StatusOr<nlohmann::json> Greedy(const nlohmann::json& request);

 private:
  // With "guess", "blend" and "folder", of passages kept on disk, as the request has them.
  absl::StatusOr<stages::Generator*> Open(const nlohmann::json& request);
  absl::StatusOr<stages::GenerateResult> Write(stages::Generator& stage, const std::string& prompt,
                                               std::size_t tokens);
  // `text`, unless null, gets what was written.
  absl::StatusOr<stages::GenerateResult> Generate(stages::Generator& stage,
                                                  const stages::GenerateRequest& request,
                                                  std::string* text);

  std::map<std::tuple<ModelKey, bool, bool, std::string>, std::unique_ptr<stages::Generator>>
      stages_;
  CallContext call_{absl::InfiniteFuture()};
};

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_GENERATOR_STAGE_WORK_H_
