// Rounding an encoder's weights to 8 bits so that its vectors stay where they were.
//
// Three things, each measured in docs/benchmarks.md: what a product reads is scaled channel by
// channel so that neither activations nor weights have all of the outliers (as SmoothQuant,
// arXiv 2211.10438); the mean of what rounding the weights adds to an output is taken off its bias;
// and activations are rounded between the smallest and the largest of their row rather than
// symmetrically about zero (linalg::Kernels::quantize).
#ifndef RAGMESH_LIBS_EMBEDDING_QUANTIZATION_H_
#define RAGMESH_LIBS_EMBEDDING_QUANTIZATION_H_

#include <vector>

#include "absl/types/span.h"
#include "libs/embedding/encoder_model.h"

namespace ragmesh::embedding {

// Rises with every change to what Calibration, Quantize or Compare come to, and to the arithmetic
// of a pass: weights packed before are then made again, and token vectors that were stored are not
// taken for those of this build. Other texts are noticed without it.
inline constexpr int kQuantizationVersion = 3;

// What the products of a model read while it encodes some texts.
class Calibration {
 public:
  struct Inputs {
    std::vector<float> largest;  // magnitude, for each channel
    std::vector<float> mean;
  };

  // `exact` is a model in f32; texts must pass its Check().
  static Calibration Measure(const EncoderModel& exact, absl::Span<const TokenIds> texts);

  // Of the layer's product of that kind.
  const Inputs& inputs(std::size_t layer, LayerProduct product) const {
    return inputs_[layer * kLayerProducts + static_cast<std::size_t>(product)];
  }

 private:
  std::vector<Inputs> inputs_;
};

// A product with weights rounded for what it is known to read: divide the input by `divisors`
// channel by channel, then multiply by `weights`, then add `bias`.
struct QuantizedProduct {
  linalg::Int8Matrix weights;
  std::vector<float> bias;
  std::vector<float> divisors;
};
QuantizedProduct Quantize(absl::Span<const float> weights, absl::Span<const float> bias,
                          const Calibration::Inputs& inputs);

// Mean and least cosine between the sentence vectors of two models over some texts.
struct Agreement {
  double mean = 0;
  double least = 0;
};
Agreement Compare(const EncoderModel& exact, const EncoderModel& other,
                  absl::Span<const TokenIds> texts);

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_QUANTIZATION_H_
