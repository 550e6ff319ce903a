#include "libs/embedding/pooling.h"

#include <cmath>

namespace ragmesh::embedding {

Reduce SentenceVectors(const EncoderModel& model) {
  return [pooling = model.config().pooling, &kernels = model.kernels()](
             std::size_t tokens, absl::Span<const float> hidden) {
    const std::size_t width = hidden.size() / tokens;
    std::vector<float> pooled(hidden.begin(), hidden.begin() + static_cast<std::ptrdiff_t>(width));
    if (pooling == Pooling::kMean) {
      for (std::size_t t = 1; t < tokens; ++t)
        kernels.add_scaled(1.0f, hidden.data() + t * width, pooled.data(), width);
      kernels.scale(1.0f / static_cast<float>(tokens), pooled.data(), width);
    }
    const float norm = std::sqrt(kernels.dot(pooled.data(), pooled.data(), width));
    if (norm > 0) kernels.scale(1.0f / norm, pooled.data(), width);
    return pooled;
  };
}

}  // namespace ragmesh::embedding
