#include "libs/embedding/quantization.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "libs/embedding/pooling.h"

namespace ragmesh::embedding {
namespace {

// How much of a channel's outliers the weights take over from the activations. Of 0.4 to 0.8 this
// keeps the vectors of MiniLM closest.
constexpr float kBalance = 0.55f;

bool GoOn(std::size_t) { return true; }

std::vector<EncoderText> AsTexts(absl::Span<const TokenIds> ids) {
  std::vector<EncoderText> texts;
  texts.reserve(ids.size());
  for (const TokenIds& one : ids) texts.push_back({one, {}});
  return texts;
}

// The vectors of texts, one pass for each so that memory stays small.
std::vector<std::vector<float>> Vectors(const EncoderModel& model,
                                        absl::Span<const TokenIds> texts) {
  EncoderWorkspace workspace(model);
  const Reduce reduce = SentenceVectors(model);
  std::vector<std::vector<float>> vectors;
  vectors.reserve(texts.size());
  for (const EncoderText& text : AsTexts(texts)) {
    model.Forward({&text, 1}, &workspace, GoOn);
    vectors.push_back(reduce(text.ids.size(), workspace.hidden(0)));
  }
  return vectors;
}

}  // namespace

Calibration Calibration::Measure(const EncoderModel& exact, absl::Span<const TokenIds> texts) {
  Calibration calibration;
  calibration.inputs_.resize(exact.config().layers * kLayerProducts);
  std::vector<std::size_t> rows(calibration.inputs_.size(), 0);
  EncoderWorkspace workspace(exact);
  workspace.set_observer(
      [&](std::size_t layer, LayerProduct product, absl::Span<const float> values) {
        const std::size_t index = layer * kLayerProducts + static_cast<std::size_t>(product);
        Inputs& inputs = calibration.inputs_[index];
        inputs.largest.resize(values.size());
        inputs.mean.resize(values.size());
        ++rows[index];
        for (std::size_t c = 0; c < values.size(); ++c) {
          inputs.largest[c] = std::max(inputs.largest[c], std::fabs(values[c]));
          inputs.mean[c] += values[c];
        }
      });
  for (const EncoderText& text : AsTexts(texts)) exact.Forward({&text, 1}, &workspace, GoOn);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (float& mean : calibration.inputs_[i].mean) mean /= static_cast<float>(rows[i]);
  }
  return calibration;
}

QuantizedProduct Quantize(absl::Span<const float> weights, absl::Span<const float> bias,
                          const Calibration::Inputs& inputs) {
  const std::size_t outputs = bias.size(), width = inputs.largest.size();
  std::vector<float> largest_weight(width, 0.0f);
  for (std::size_t i = 0; i < weights.size(); ++i)
    largest_weight[i % width] = std::max(largest_weight[i % width], std::fabs(weights[i]));
  // A channel that the texts left quiet may speak up later. It counts as having at least what is
  // usual, so that it does not drown the others then.
  const float usual = std::accumulate(inputs.largest.begin(), inputs.largest.end(), 0.0f) /
                      static_cast<float>(width);
  QuantizedProduct product;
  product.divisors.resize(width);
  for (std::size_t c = 0; c < width; ++c) {
    const float input = std::max(inputs.largest[c], usual);
    const bool usable = input > 0 && largest_weight[c] > 0;
    product.divisors[c] =
        usable ? std::pow(input, kBalance) / std::pow(largest_weight[c], 1 - kBalance) : 1.0f;
  }
  std::vector<float> scaled(weights.begin(), weights.end());
  for (std::size_t i = 0; i < scaled.size(); ++i) scaled[i] *= product.divisors[i % width];
  product.weights = linalg::RoundToInt8(scaled.data(), outputs, width);
  product.bias.assign(bias.begin(), bias.end());
  for (std::size_t o = 0; o < outputs; ++o) {
    double lost = 0;
    for (std::size_t c = 0; c < width; ++c) {
      const std::size_t i = o * width + c;
      const float rounded = product.weights.scales[o] * product.weights.values[i];
      lost += (double{scaled[i]} - rounded) * inputs.mean[c] / product.divisors[c];
    }
    product.bias[o] += static_cast<float>(lost);
  }
  return product;
}

Agreement Compare(const EncoderModel& exact, const EncoderModel& other,
                  absl::Span<const TokenIds> texts) {
  const auto a = Vectors(exact, texts), b = Vectors(other, texts);
  Agreement agreement{.mean = 0, .least = 1};
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const double cosine = exact.kernels().dot(a[i].data(), b[i].data(), a[i].size());
    agreement.mean += cosine / static_cast<double>(texts.size());
    agreement.least = std::min(agreement.least, cosine);
  }
  return agreement;
}

}  // namespace ragmesh::embedding
