#include "libs/rerank/cross_encoder_head.h"

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "libs/base/status_macros.h"

namespace ragmesh::rerank {

using model_files::FloatTensor;

absl::StatusOr<CrossEncoderHead> CrossEncoderHead::Read(
    const std::shared_ptr<const model_files::Safetensors>& file,
    const embedding::EncoderConfig& config) {
  const bool roberta = config.layout == embedding::Layout::kRoberta;
  const std::string dense = roberta ? "classifier.dense." : config.prefix + "pooler.dense.";
  const std::string output = roberta ? "classifier.out_proj." : "classifier.";
  const std::uint64_t width = config.hidden;
  CrossEncoderHead head;
  RAGMESH_ASSIGN_OR_RETURN(head.dense_weight_,
                           FloatTensor::Read(file, dense + "weight", {width, width}));
  RAGMESH_ASSIGN_OR_RETURN(head.dense_bias_, FloatTensor::Read(file, dense + "bias", {width}));
  RAGMESH_ASSIGN_OR_RETURN(head.output_weight_,
                           FloatTensor::Read(file, output + "weight", {1, width}));
  RAGMESH_ASSIGN_OR_RETURN(head.output_bias_, FloatTensor::Read(file, output + "bias", {1}));
  return head;
}

float CrossEncoderHead::Logit(const linalg::Kernels& kernels, const float* first_token) const {
  const std::size_t width = dense_bias_.values().size();
  std::vector<float> inner(width);
  kernels.dot_rows(first_token, dense_weight_.data(), width, width, width, inner.data());
  for (std::size_t i = 0; i < width; ++i) inner[i] = std::tanh(inner[i] + dense_bias_.data()[i]);
  return kernels.dot(inner.data(), output_weight_.data(), width) + output_bias_.data()[0];
}

}  // namespace ragmesh::rerank
