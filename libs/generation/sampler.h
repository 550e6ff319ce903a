// Choosing the next token from its logits.
#ifndef RAGMESH_LIBS_GENERATION_SAMPLER_H_
#define RAGMESH_LIBS_GENERATION_SAMPLER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "libs/generation/dry.h"
#include "libs/generation/penalties.h"
#include "libs/generation/token_filters.h"
#include "libs/stages/sampling.h"

namespace ragmesh::generation {

// The order is that of llama.cpp's server by default, "penalties;dry;top_n_sigma;top_k;typ_p;top_p;
// min_p;xtc;temperature" (tools/server/README.md, --samplers), without top_n_sigma:
//
//   1. `allowed` and `forbidden` tokens; then logit bias, where -100 forbids
//   2. repeat, frequency and presence penalty
//   3. DRY
//   4. top-k, typical-p, top-p, min-p, XTC: each among what the one before it has left
//   5. division by the temperature, and a draw
//
// Filters thus judge the model's own probabilities, before the temperature bends them. At
// temperature 0 the largest logit after 1 to 3 wins, the lower id among equals, and 4 has no say.
//
// Equal seeds, logits and texts give equal draws on every machine with the same kernels: the
// generator is SplitMix64 (Steele et al. 2014), and candidates stand in the order of their ids.
// Keeps its memory from token to token. One thread.
class Sampler {
 public:
  // What a token is chosen from.
  struct Step {
    absl::Span<const float> logits;
    // Prompt and answer so far. Only looked at for penalties and DRY.
    absl::Span<const std::uint32_t> context = {};
    absl::Span<const std::uint32_t> forbidden = {};  // ids that are never chosen
    // What a grammar lets through: bit i % 32 of word i / 32 is token i; ids past the last word are
    // not let through. Empty: everything is.
    absl::Span<const std::uint32_t> allowed = {};
  };

  // `breakers` are those of sampling.dry_sequence_breakers; null: none.
  Sampler(const stages::Sampling& sampling, std::uint64_t seed,
          std::shared_ptr<const SequenceBreakers> breakers = nullptr);

  // Draw(Distribution(step)); nullopt when no token may be chosen or no logit is a number.
  std::optional<std::uint32_t> Pick(const Step& step);

  // What may be chosen, by ascending id, with probabilities that sum to 1; at temperature 0 one
  // candidate. Empty where Pick gives nullopt. Valid until the next call. Takes a number off the
  // generator only when XTC is on, which tosses its coin here.
  //
  // For drafts of a smaller model with distribution q: a drafted x is kept with probability
  // min(1, p(x) / q(x)), otherwise the token is drawn from max(0, p - q), scaled to 1; what is
  // written is then distributed as p (Leviathan et al. 2023). For drafts that are certain of their
  // token the same comes from Pick(), by keeping the draft when it is what Pick() gives.
  absl::Span<const Candidate> Distribution(const Step& step);

  // One of them by their probabilities; takes one number off the generator when there are several.
  // Not for an empty list.
  std::uint32_t Draw(absl::Span<const Candidate> distribution);

 private:
  double NextUniform();  // [0, 1)
  absl::Span<const float> Edit(const Step& step);
  void Forbid(const Step& step);
  void Filter();

  const stages::Sampling sampling_;
  std::uint64_t state_;
  Penalties penalties_;
  Dry dry_;
  std::vector<float> edited_;
  Candidates candidates_, scratch_;
};

// The seed of one of several choices: the first has the request's own.
std::uint64_t ChoiceSeed(std::uint64_t seed, std::uint32_t choice);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_SAMPLER_H_
