// What taking passages over from other prompts does to answers: the op "passages" of
// generator_bench.
#ifndef RAGMESH_BENCH_GENERATOR_PASSAGE_QUALITY_H_
#define RAGMESH_BENCH_GENERATOR_PASSAGE_QUALITY_H_

#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/statusor.h"
#include "bench/generator/passage_engine.h"

namespace ragmesh::bench {

// Keeps the engines it has loaded. Used by one thread.
class PassageQuality {
 public:
  // One question to some passages, asked in the way "reuse" and "share" say, beside the engine that
  // keeps nothing. bench/peers/README.md has the fields of request and answer.
  absl::StatusOr<nlohmann::json> Compare(const nlohmann::json& request);

 private:
  using Key = std::tuple<std::string, PassageEngine::Reuse, double>;

  absl::StatusOr<PassageEngine*> Open(const nlohmann::json& request, PassageEngine::Reuse reuse,
                                      double share);

  std::map<Key, std::unique_ptr<PassageEngine>> engines_;
  // The answer of the engine that keeps nothing, to the prompt that was asked last.
  std::tuple<std::string, std::vector<std::string>, std::string> asked_;
  PassageEngine::Answer reference_;
};

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_GENERATOR_PASSAGE_QUALITY_H_
