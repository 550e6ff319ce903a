#include "bench/datasets/divergence.h"

#include <algorithm>
#include <cmath>

namespace ragmesh::bench {
namespace {

// What is less likely than this adds nothing that can be seen, and is most of the vocabulary.
constexpr double kLeastLogProbability = -30;

double LogSum(absl::Span<const float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit) - top);
  return top + std::log(total);
}

std::ptrdiff_t Best(absl::Span<const float> logits) {
  return std::max_element(logits.begin(), logits.end()) - logits.begin();
}

}  // namespace

void Divergence::Add(absl::Span<const float> reference, absl::Span<const float> other,
                     std::uint32_t next) {
  const double p_sum = LogSum(reference), q_sum = LogSum(other);
  ++tokens;
  reference_loss += p_sum - reference[next];
  loss += q_sum - other[next];
  for (std::size_t id = 0; id < reference.size(); ++id) {
    const double log_p = reference[id] - p_sum;
    if (log_p > kLeastLogProbability) kl += std::exp(log_p) * (log_p - (other[id] - q_sum));
  }
  same_best += Best(reference) == Best(other);
}

}  // namespace ragmesh::bench
