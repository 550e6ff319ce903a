// A BERT-family encoder: token ids in, one vector per token out.
#ifndef RAGMESH_LIBS_EMBEDDING_ENCODER_MODEL_H_
#define RAGMESH_LIBS_EMBEDDING_ENCODER_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/embedding/encoder_config.h"
#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"
#include "libs/model_files/float_tensor.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::embedding {

// Weights and arithmetic in float32, post-layer-norm as BERT was published. One text at a time,
// without padding, on the calling thread: so a result depends on the text and the kernel table
// alone, bit for bit, and never on what else is being computed. Immutable and thread-safe. Weights
// of the layers are kept in packed form beside the mapped file.
class EncoderModel {
 public:
  // Checks every tensor: present, of the right shape, finite. DATA_LOSS naming the one at fault.
  static absl::StatusOr<std::shared_ptr<const EncoderModel>> Load(
      const std::shared_ptr<const model_files::Safetensors>& file, const EncoderConfig& config,
      const linalg::Kernels& kernels);

  // Sees the hidden states after the embeddings (layer 0) and after each layer; for tests.
  using Observer = absl::FunctionRef<void(std::size_t layer, absl::Span<const float> hidden)>;

  // Sets `hidden` to ids.size() rows of config().hidden values. `ids` are 1 to config().positions,
  // each below config().vocabulary; `types` are as many, each below config().token_types, or empty
  // for all 0. INVALID_ARGUMENT otherwise. Ends with call's status within one layer of its
  // cancellation.
  absl::Status Forward(absl::Span<const std::uint32_t> ids, absl::Span<const std::uint8_t> types,
                       std::vector<float>* hidden, const CallContext& call) const;
  absl::Status Forward(absl::Span<const std::uint32_t> ids, absl::Span<const std::uint8_t> types,
                       Observer observer, std::vector<float>* hidden,
                       const CallContext& call) const;

  const EncoderConfig& config() const { return config_; }
  const linalg::Kernels& kernels() const { return kernels_; }

 private:
  struct Norm {
    model_files::FloatTensor gain, offset;
  };
  struct Linear {
    explicit Linear(const linalg::Kernels& kernels) : weights(kernels) {}
    linalg::PackedMatrix weights;
    std::vector<float> bias;
  };
  struct Layer {
    explicit Layer(const linalg::Kernels& k)
        : query_key_value(k), attention_output(k), intermediate(k), output(k) {}
    Linear query_key_value, attention_output, intermediate, output;
    Norm attention_norm, output_norm;
  };
  struct Scratch;

  EncoderModel(const EncoderConfig& config, const linalg::Kernels& kernels)
      : config_(config), kernels_(kernels) {}

  absl::Status LoadWeights(const std::shared_ptr<const model_files::Safetensors>& file);
  absl::Status LoadLayer(const std::shared_ptr<const model_files::Safetensors>& file,
                         std::size_t index);
  void Embed(absl::Span<const std::uint32_t> ids, absl::Span<const std::uint8_t> types,
             float* hidden) const;
  void Attend(const Layer& layer, std::size_t tokens, Scratch* scratch, float* hidden) const;
  void FeedForward(const Layer& layer, std::size_t tokens, Scratch* scratch, float* hidden) const;
  // hidden = norm(hidden + update), row by row.
  void AddAndNormalise(const Norm& norm, std::size_t tokens, const float* update,
                       float* hidden) const;

  const EncoderConfig config_;
  const linalg::Kernels& kernels_;
  model_files::FloatTensor words_, positions_, types_;
  Norm embedding_norm_;
  std::vector<Layer> layers_;
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_ENCODER_MODEL_H_
