// The weights of a BERT-family encoder, checked and packed for one kernel table and precision.
#ifndef RAGMESH_LIBS_EMBEDDING_ENCODER_WEIGHTS_H_
#define RAGMESH_LIBS_EMBEDDING_ENCODER_WEIGHTS_H_

#include <cstddef>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/embedding/encoder_config.h"
#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"
#include "libs/model_files/float_tensor.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::embedding {

struct NormWeights {
  model_files::FloatTensor gain, offset;
};

class Calibration;
class PackedWeights;

// The matrix products of a layer, in the order they are computed.
enum class LayerProduct { kQueryKeyValue, kAttentionOutput, kIntermediate, kOutput };
inline constexpr std::size_t kLayerProducts = 4;

struct LinearWeights {
  LinearWeights(const linalg::Kernels& kernels, linalg::Precision precision)
      : matrix(kernels, precision) {}
  linalg::PackedMatrix matrix;
  std::vector<float> bias;
  std::vector<float> input_factors;  // int8: what an input is multiplied by; empty: by 1
};

struct LayerWeights {
  LayerWeights(const linalg::Kernels& k, linalg::Precision p)
      : query_key_value(k, p), attention_output(k, p), intermediate(k, p), output(k, p) {}
  const LinearWeights& product(LayerProduct product) const {
    switch (product) {
      case LayerProduct::kQueryKeyValue:
        return query_key_value;
      case LayerProduct::kAttentionOutput:
        return attention_output;
      case LayerProduct::kIntermediate:
        return intermediate;
      case LayerProduct::kOutput:
        break;
    }
    return output;
  }

  LinearWeights query_key_value;  // the outputs of the three side by side
  LinearWeights attention_output, intermediate, output;
  NormWeights attention_norm, output_norm;
};

// Embedding tables and norms stay in the mapped file; matrices are packed.
struct EncoderWeights {
  // Checks every tensor: present, of the right shape, finite. DATA_LOSS naming the one at fault.
  // `calibration` is for int8; without it weights are rounded as they are. With `packed`, which is
  // for `kernels` and `precision`, its matrices are used in place and those of the file not read.
  static absl::StatusOr<EncoderWeights> Load(
      const std::shared_ptr<const model_files::Safetensors>& file, const EncoderConfig& config,
      const linalg::Kernels& kernels, linalg::Precision precision, const Calibration* calibration,
      std::shared_ptr<const PackedWeights> packed);

  model_files::FloatTensor words, positions, types;
  NormWeights embedding_norm;
  std::vector<LayerWeights> layers;
  std::shared_ptr<const PackedWeights> packed;  // what matrices lie in; null: memory of their own
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_ENCODER_WEIGHTS_H_
