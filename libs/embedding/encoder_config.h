// The shape of a BERT-family encoder: what its weights show, and what only its maker knows.
#ifndef RAGMESH_LIBS_EMBEDDING_ENCODER_CONFIG_H_
#define RAGMESH_LIBS_EMBEDDING_ENCODER_CONFIG_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::embedding {

enum class Pooling { kMean, kCls };

// Facts that shapes do not show. The catalogue states them; a config.json beside the weights
// overrides `heads` and `layer_norm_epsilon`.
struct EncoderFacts {
  std::size_t heads =
      0;  // 0: 12 for width 384, else one per 64 dimensions, as in every published BERT
  float layer_norm_epsilon = 1e-12f;
  Pooling pooling = Pooling::kMean;
  std::size_t max_tokens =
      0;  // special tokens included; 0: as many as there are positions, at most 512
};

struct EncoderConfig {
  std::string prefix;  // before every tensor name: "" or "bert."
  std::size_t layers = 0;
  std::size_t hidden = 0;  // width of a token's vector
  std::size_t heads = 0;
  std::size_t intermediate = 0;  // width inside the feed-forward part
  std::size_t vocabulary = 0;
  std::size_t positions = 0;
  std::size_t token_types = 0;
  float layer_norm_epsilon = 1e-12f;
  Pooling pooling = Pooling::kMean;
  std::size_t max_tokens = 0;
};

// Reads shapes from `file` and checks them against `facts` and, when it is not empty,
// `config_json`. DATA_LOSS naming the tensor when the file is not of this family; INVALID_ARGUMENT
// naming the field when facts and file disagree or config.json asks for something else: another
// activation than exact GELU, relative positions, another architecture.
absl::StatusOr<EncoderConfig> ReadEncoderConfig(const model_files::Safetensors& file,
                                                const EncoderFacts& facts,
                                                absl::string_view config_json = "");

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_ENCODER_CONFIG_H_
