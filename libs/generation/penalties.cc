#include "libs/generation/penalties.h"

#include <algorithm>
#include <limits>

namespace ragmesh::generation {

Penalties::Penalties(const stages::Sampling& sampling)
    : repeat_(sampling.repeat_penalty),
      frequency_(sampling.frequency_penalty),
      presence_(sampling.presence_penalty),
      last_n_(sampling.repeat_last_n < 0 ? std::numeric_limits<std::size_t>::max()
                                         : static_cast<std::size_t>(sampling.repeat_last_n)),
      active_(last_n_ > 0 && (repeat_ != 1 || frequency_ != 0 || presence_ != 0)) {}

void Penalties::Count(absl::Span<const std::uint32_t> context) {
  const std::size_t begin = context.size() - std::min(last_n_, context.size());
  if (context.size() < end_ || begin < begin_ || begin > end_) {
    counts_.clear();
    begin_ = end_ = begin;
  }
  for (; end_ < context.size(); ++end_) ++counts_[context[end_]];
  for (; begin_ < begin; ++begin_) {
    const auto found = counts_.find(context[begin_]);
    if (--found->second == 0) counts_.erase(found);
  }
}

void Penalties::Apply(absl::Span<const std::uint32_t> context, absl::Span<float> logits) {
  Count(context);
  for (const auto& [id, count] : counts_) {
    if (id >= logits.size()) continue;
    double logit = logits[id];
    logit = logit <= 0 ? logit * repeat_ : logit / repeat_;
    logits[id] = static_cast<float>(logit - count * frequency_ - presence_);
  }
}

}  // namespace ragmesh::generation
