// The shape of a BERT-family encoder: what its weights show, and what only its maker knows.
//
// Two layouts of it: BERT's own, and that of RoBERTa, which XLM-R, bge-reranker and
// multilingual-e5 share. They differ in where positions begin, in the classifier of a cross-encoder
// and in how a pair is written, not in a layer's arithmetic.
#ifndef RAGMESH_LIBS_EMBEDDING_ENCODER_CONFIG_H_
#define RAGMESH_LIBS_EMBEDDING_ENCODER_CONFIG_H_

#include <cstddef>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::embedding {

enum class Pooling { kMean, kCls };

enum class Layout { kBert, kRoberta };

// "bert" or "xlm-roberta": what the catalogue and StageInfo call the layout.
absl::string_view ToString(Layout layout);
// BERT's for every name but "xlm-roberta".
Layout LayoutOf(absl::string_view architecture);

// Facts that shapes do not show. The catalogue states them; a config.json beside the weights
// overrides `layout`, `heads` and `layer_norm_epsilon`, and so does the prefix "roberta." of its
// tensors `layout`.
struct EncoderFacts {
  Layout layout = Layout::kBert;
  std::size_t heads =
      0;  // 0: 12 for width 384, else one per 64 dimensions, as in every published BERT
  std::optional<float> layer_norm_epsilon;  // unset: 1e-12 (BERT) or 1e-5 (RoBERTa)
  Pooling pooling = Pooling::kMean;
  std::size_t max_tokens =
      0;  // special tokens included; 0: as many as there are positions, at most 512
};

struct EncoderConfig {
  Layout layout = Layout::kBert;
  std::string prefix;  // before every tensor name: "", "bert." or "roberta."
  std::size_t layers = 0;
  std::size_t hidden = 0;  // width of a token's vector
  std::size_t heads = 0;
  std::size_t intermediate = 0;  // width inside the feed-forward part
  std::size_t vocabulary = 0;
  // Row of the position table for a text's first token. RoBERTa counts on from the id of its
  // padding token, 1 as published, so that rows 0 and 1 are for no text.
  std::size_t first_position = 0;
  std::size_t positions = 0;  // most tokens of a text: rows of that table from first_position on
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
