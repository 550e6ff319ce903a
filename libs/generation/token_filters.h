// What thins out the candidates for the next token. Each filter follows llama.cpp's
// src/llama-sampling.cpp, judges probabilities among what the filters before it have left, and
// leaves at least one candidate of those it got.
#ifndef RAGMESH_LIBS_GENERATION_TOKEN_FILTERS_H_
#define RAGMESH_LIBS_GENERATION_TOKEN_FILTERS_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ragmesh::generation {

struct Candidate {
  float logit = 0;
  std::uint32_t id = 0;
  double probability = 0;  // valid after Weigh()
};

// Candidates always stand in ascending order of id, so what is drawn from them does not depend on
// how a filter found its way. Filters keep the memory they were given.
using Candidates = std::vector<Candidate>;

// All ids whose logit is a finite number.
void TakeAll(absl::Span<const float> logits, Candidates* out);

// The `k` largest of these, lower ids first among equals. One scan of the logits against a bar that
// rises; never sorts them. `k` is at least 1.
void TakeTop(absl::Span<const float> logits, std::size_t k, Candidates* out);

// Sets each candidate's probability: softmax of logit / temperature. Not for an empty list.
void Weigh(double temperature, Candidates* candidates);

// Locally typical sampling (Meister et al. 2022): keeps the candidates whose surprisal is closest
// to the entropy, until their sum is over `p`. Needs Weigh(1).
void KeepTypical(double p, Candidates* candidates, Candidates* scratch);

// Nucleus sampling (Holtzman et al. 2019): keeps the likeliest until their sum reaches `p`. Needs
// Weigh(1).
void KeepTopP(double p, Candidates* candidates, Candidates* scratch);

// Drops what is less likely than `p` times the likeliest. `p` is over 0.
void KeepMinP(double p, Candidates* candidates);

// XTC, "exclude top choices" (p-e-w 2024): of the candidates with a probability of at least
// `threshold` only the least likely stays. Needs Weigh(1).
void DropTopChoices(double threshold, Candidates* candidates);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_TOKEN_FILTERS_H_
