// How the next token of a text is drawn from a decoder's logits.
#ifndef RAGMESH_LIBS_STAGES_SAMPLING_H_
#define RAGMESH_LIBS_STAGES_SAMPLING_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::stages {

struct LogitBias {
  std::uint32_t token_id = 0;
  float bias = 0;  // [-100, 100]; -100: the token is never chosen
};

inline std::vector<std::string> DefaultSequenceBreakers() { return {"\n", ":", "\"", "*"}; }

// Names, definitions and defaults are those of llama.cpp, except that what thins out the candidates
// is off until asked for. The order is stated in libs/generation/sampler.h. "Text so far" is prompt
// and answer.
struct Sampling {
  double temperature = 0;   // 0: the largest logit wins; up to 2
  std::uint32_t top_k = 0;  // keep the k likeliest; 0: off
  double top_p = 1;         // (0, 1]; keep the likeliest until their sum reaches it; 1: off
  double min_p = 0;         // [0, 1); drop what is below this share of the likeliest; 0: off
  double typical_p = 1;     // (0, 1]; keep those of most typical surprisal up to this sum; 1: off
  double xtc_probability =
      0;  // [0, 1]; chance, at each token, to drop all top choices but the last
  double xtc_threshold = 0.1;       // [0, 1]; from here on a token is a top choice; over 0.5: off
  double repeat_penalty = 1;        // (0, 10]; divides the logits of tokens seen lately; 1: off
  std::int32_t repeat_last_n = 64;  // [-1, 2^20]; how many tokens are "lately"; -1: all, 0: none
  double frequency_penalty = 0;     // [-2, 2]; off the logit for each time a token was seen lately
  double presence_penalty = 0;      // [-2, 2]; off the logit when it was seen lately at all
  double dry_multiplier = 0;  // [0, 100]; off the logit of what would go on a repetition; 0: off
  double dry_base = 1.75;     // [1, 10]; times this for each token of it over the allowed ones
  std::uint32_t dry_allowed_length = 2;  // [0, 2^20]; repetitions up to this length are free
  std::int32_t dry_penalty_last_n = -1;  // [-1, 2^20]; tokens looked back on; -1: all, 0: none
  // Texts that no repetition reaches across; at most 16 of 1 to 40 bytes.
  std::vector<std::string> dry_sequence_breakers = DefaultSequenceBreakers();
  std::vector<LogitBias> logit_bias;  // at most 300, each token once
  std::optional<std::uint64_t> seed;  // unset: drawn at random and reported
};

inline constexpr std::size_t kMaxLogitBias = 300;
inline constexpr std::size_t kMaxSequenceBreakers = 16;
inline constexpr std::size_t kMaxSequenceBreakerBytes = 40;

// INVALID_ARGUMENT / INVALID_FIELD that names the field, with `prefix` before it ("sampling."),
// what it may be and what to do.
absl::Status CheckSampling(const Sampling& sampling, absl::string_view prefix);

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_SAMPLING_H_
