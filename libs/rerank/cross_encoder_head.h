// The classifier behind a cross-encoder: from the hidden state of the first token to one logit.
#ifndef RAGMESH_LIBS_RERANK_CROSS_ENCODER_HEAD_H_
#define RAGMESH_LIBS_RERANK_CROSS_ENCODER_HEAD_H_

#include <memory>

#include "absl/status/statusor.h"
#include "libs/embedding/encoder_config.h"
#include "libs/linalg/kernels.h"
#include "libs/model_files/float_tensor.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::rerank {

// output(tanh(dense(x))). Immutable and thread-safe; keeps the file mapped.
class CrossEncoderHead {
 public:
  // BertForSequenceClassification calls the two parts pooler.dense and classifier,
  // XLMRobertaForSequenceClassification classifier.dense and classifier.out_proj. DATA_LOSS naming
  // the tensor that is missing or does not lead to one logit.
  static absl::StatusOr<CrossEncoderHead> Read(
      const std::shared_ptr<const model_files::Safetensors>& file,
      const embedding::EncoderConfig& config);

  // `first_token` is its last hidden state, as wide as the encoder.
  float Logit(const linalg::Kernels& kernels, const float* first_token) const;

 private:
  model_files::FloatTensor dense_weight_, dense_bias_, output_weight_, output_bias_;
};

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_CROSS_ENCODER_HEAD_H_
