// Prompts with passages through an engine, and what its model thinks at every token: for
// measurements of quality, not of speed.
#ifndef RAGMESH_BENCH_GENERATOR_PASSAGE_ENGINE_H_
#define RAGMESH_BENCH_GENERATOR_PASSAGE_ENGINE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/concurrency/compute_pool.h"
#include "libs/generation/engine.h"
#include "libs/generation/prompt_reader.h"

namespace ragmesh::bench {

// Used by one thread.
class PassageEngine {
 public:
  enum class Reuse {
    kOff,    // every prompt is read from its first token on
    kExact,  // beginnings of earlier prompts are kept
    kBlend,  // and passages are taken over
  };
  struct Options {
    std::string path, digest;  // of the GGUF file
    std::string packed_folder;
    int threads = 1;
    Reuse reuse = Reuse::kOff;
    double repeated_share = 0.15;  // as in Engine::Options
  };
  static absl::StatusOr<std::unique_ptr<PassageEngine>> Load(const Options& options);

  struct Answer {
    std::vector<std::uint32_t> ids;  // without the end of the text
    // Per id, where asked for: the log-probabilities of all tokens.
    std::vector<std::vector<float>> logprobs;
    generation::Engine::Outcome outcome;
  };

  // A chat of one message, `passages` with blank lines between and then `question`, answered
  // greedily by at most `tokens` tokens.
  absl::StatusOr<Answer> Write(const std::vector<std::string>& passages,
                               const std::string& question, std::size_t tokens, bool logprobs);
  // The same, where the answer is given, and only looked at.
  absl::StatusOr<Answer> Judge(const std::vector<std::string>& passages,
                               const std::string& question, absl::Span<const std::uint32_t> ids);

  std::string Spell(absl::Span<const std::uint32_t> ids) const;

 private:
  PassageEngine() = default;
  absl::StatusOr<generation::Engine::Request> Read(const std::vector<std::string>& passages,
                                                   const std::string& question) const;
  absl::StatusOr<Answer> Run(generation::Engine::Request request);
  // That lets only `ids` be written, in this order.
  absl::StatusOr<std::shared_ptr<grammar::Constraint>> Only(absl::Span<const std::uint32_t> ids);
  std::size_t vocabulary_size() const { return engine_->decoder().config().vocabulary; }

  std::unique_ptr<const generation::PromptReader> prompts_;
  std::shared_ptr<const grammar::TokenTable> numbers_;  // in which a token writes its id
  std::unique_ptr<ComputePool> pool_;
  std::unique_ptr<generation::Engine> engine_;  // goes first
  CallContext call_{absl::InfiniteFuture()};
};

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_GENERATOR_PASSAGE_ENGINE_H_
