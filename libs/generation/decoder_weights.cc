// Finding the tensors of a decoder in its file. Matrices stay where they are mapped; the small
// vectors are copied.
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/generation/decoder.h"

namespace ragmesh::generation {
namespace {

using quant::QuantType;

absl::StatusOr<QuantType> ToQuantType(const gguf::File& file, const gguf::Tensor& tensor) {
  switch (tensor.type) {
    case gguf::TensorType::kF32:
      return QuantType::kF32;
    case gguf::TensorType::kF16:
      return QuantType::kF16;
    case gguf::TensorType::kBF16:
      return QuantType::kBF16;
    case gguf::TensorType::kQ4_0:
      return QuantType::kQ4_0;
    case gguf::TensorType::kQ4_1:
      return QuantType::kQ4_1;
    case gguf::TensorType::kQ5_0:
      return QuantType::kQ5_0;
    case gguf::TensorType::kQ5_1:
      return QuantType::kQ5_1;
    case gguf::TensorType::kQ8_0:
      return QuantType::kQ8_0;
    case gguf::TensorType::kIQ4_NL:
      return QuantType::kIQ4_NL;
    case gguf::TensorType::kQ2_K:
      return QuantType::kQ2_K;
    case gguf::TensorType::kQ3_K:
      return QuantType::kQ3_K;
    case gguf::TensorType::kQ4_K:
      return QuantType::kQ4_K;
    case gguf::TensorType::kQ5_K:
      return QuantType::kQ5_K;
    case gguf::TensorType::kQ6_K:
      return QuantType::kQ6_K;
    default:
      break;
  }
  const char* name = gguf::FindBlockShape(static_cast<std::uint32_t>(tensor.type))->name;
  return MakeError(
      absl::StatusCode::kUnimplemented,
      absl::StrCat(file.name(), ": ", tensor.name, " is stored as ", name, ", which has no kernel"),
      {.reason = "UNSUPPORTED_TENSOR_TYPE",
       .next_step = "Use a file quantised as Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, IQ4_NL, Q2_K, Q3_K, "
                    "Q4_K, Q5_K, Q6_K, F16, BF16 or F32."});
}

quant::WeightRows RowRange(const quant::WeightRows& matrix, std::size_t begin, std::size_t rows) {
  quant::WeightRows part = matrix;
  part.data += begin * quant::RowBytes(matrix.type, matrix.columns);
  part.rows = rows;
  return part;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Decoder>> Decoder::Create(std::shared_ptr<const gguf::File> file,
                                                         const DecoderOptions& options,
                                                         ComputePool* pool) {
  auto decoder = std::unique_ptr<Decoder>(new Decoder());
  RAGMESH_ASSIGN_OR_RETURN(decoder->config_, ReadModelConfig(*file, options.context));
  decoder->file_ = std::move(file);
  decoder->mode_ = options.mode;
  decoder->max_rows_ = options.max_rows;
  decoder->kernels_ = options.kernels;
  decoder->pool_ = pool;
  const ModelConfig& config = decoder->config_;
  decoder->kv_shape_ = {config.layers, config.kv_heads, config.head_dim,
                        options.mode == ComputeMode::kFast
                            ? options.cache.value_or(options.kernels->kv_type)
                            : quant::KvType::kF32};
  RAGMESH_RETURN_IF_ERROR(decoder->LoadWeights());
  RAGMESH_RETURN_IF_ERROR(decoder->PackWeights(options));
  decoder->Allocate();
  return decoder;
}

absl::Status Decoder::LoadWeights() {
  RAGMESH_ASSIGN_OR_RETURN(embedding_,
                           LoadMatrix("token_embd.weight", config_.vocabulary, config_.embedding));
  head_ = embedding_;  // many models use one matrix for both ends
  if (file_->FindTensor("output.weight") != nullptr) {
    RAGMESH_ASSIGN_OR_RETURN(head_,
                             LoadMatrix("output.weight", config_.vocabulary, config_.embedding));
  }
  RAGMESH_ASSIGN_OR_RETURN(final_norm_, LoadVector("output_norm.weight", config_.embedding));
  layers_.resize(config_.layers);
  for (std::size_t i = 0; i < config_.layers; ++i) RAGMESH_RETURN_IF_ERROR(LoadLayer(i));
  RAGMESH_RETURN_IF_ERROR(LoadRotations());
  RAGMESH_RETURN_IF_ERROR(RefuseUnusedTensors());
  used_.clear();
  return absl::OkStatus();
}

absl::Status Decoder::LoadLayer(std::size_t index) {
  Layer& layer = layers_[index];
  const std::string prefix = absl::StrCat("blk.", index, ".");
  const std::size_t width = config_.embedding;
  RAGMESH_ASSIGN_OR_RETURN(layer.attention_norm, LoadVector(prefix + "attn_norm.weight", width));
  RAGMESH_ASSIGN_OR_RETURN(layer.feed_forward_norm, LoadVector(prefix + "ffn_norm.weight", width));
  if (config_.post_norms) {
    RAGMESH_ASSIGN_OR_RETURN(layer.post_attention_norm,
                             LoadVector(prefix + "post_attention_norm.weight", width));
    RAGMESH_ASSIGN_OR_RETURN(layer.post_feed_forward_norm,
                             LoadVector(prefix + "post_ffw_norm.weight", width));
  }
  RAGMESH_RETURN_IF_ERROR(LoadAttention(prefix, &layer));
  return LoadFeedForward(prefix, &layer);
}

absl::Status Decoder::LoadAttention(const std::string& prefix, Layer* layer) {
  const std::size_t width = config_.embedding, dim = config_.head_dim;
  const std::size_t heads = config_.heads * dim, kv = config_.kv_heads * dim;
  if (config_.fused) {
    RAGMESH_ASSIGN_OR_RETURN(const Matrix all,
                             LoadMatrix(prefix + "attn_qkv.weight", heads + 2 * kv, width));
    layer->q.stored = RowRange(all.stored, 0, heads);
    layer->k.stored = RowRange(all.stored, heads, kv);
    layer->v.stored = RowRange(all.stored, heads + kv, kv);
  } else {
    RAGMESH_ASSIGN_OR_RETURN(layer->q, LoadMatrix(prefix + "attn_q.weight", heads, width));
    RAGMESH_ASSIGN_OR_RETURN(layer->k, LoadMatrix(prefix + "attn_k.weight", kv, width));
    RAGMESH_ASSIGN_OR_RETURN(layer->v, LoadMatrix(prefix + "attn_v.weight", kv, width));
    RAGMESH_RETURN_IF_ERROR(LoadBias(prefix, layer));
  }
  RAGMESH_ASSIGN_OR_RETURN(layer->output, LoadMatrix(prefix + "attn_output.weight", width, heads));
  if (!config_.query_key_norm) return absl::OkStatus();
  RAGMESH_ASSIGN_OR_RETURN(layer->query_norm, LoadVector(prefix + "attn_q_norm.weight", dim));
  RAGMESH_ASSIGN_OR_RETURN(layer->key_norm, LoadVector(prefix + "attn_k_norm.weight", dim));
  return absl::OkStatus();
}

absl::Status Decoder::LoadBias(const std::string& prefix, Layer* layer) {
  if (file_->FindTensor(prefix + "attn_q.bias") == nullptr) return absl::OkStatus();
  const std::size_t heads = config_.heads * config_.head_dim,
                    kv = config_.kv_heads * config_.head_dim;
  const std::pair<const char*, std::size_t> parts[] = {
      {"attn_q.bias", heads}, {"attn_k.bias", kv}, {"attn_v.bias", kv}};
  for (const auto& [name, size] : parts) {
    RAGMESH_ASSIGN_OR_RETURN(const std::vector<float> part, LoadVector(prefix + name, size));
    layer->bias.insert(layer->bias.end(), part.begin(), part.end());
  }
  return absl::OkStatus();
}

absl::Status Decoder::LoadFeedForward(const std::string& prefix, Layer* layer) {
  const std::size_t width = config_.embedding, wide = config_.feed_forward;
  if (config_.fused) {
    RAGMESH_ASSIGN_OR_RETURN(const Matrix both,
                             LoadMatrix(prefix + "ffn_up.weight", 2 * wide, width));
    layer->gate.stored = RowRange(both.stored, 0, wide);
    layer->up.stored = RowRange(both.stored, wide, wide);
  } else {
    RAGMESH_ASSIGN_OR_RETURN(layer->gate, LoadMatrix(prefix + "ffn_gate.weight", wide, width));
    RAGMESH_ASSIGN_OR_RETURN(layer->up, LoadMatrix(prefix + "ffn_up.weight", wide, width));
  }
  RAGMESH_ASSIGN_OR_RETURN(layer->down, LoadMatrix(prefix + "ffn_down.weight", width, wide));
  return absl::OkStatus();
}

absl::Status Decoder::LoadRotations() {
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<float> divisors, LoadDivisors());
  const auto fill = [&](const RopeConfig& config, absl::Span<const float> by, Rotation* rotation) {
    rotation->frequencies = RopeFrequencies(config, config_.rope_dim, by);
    rotation->magnitude = RopeMagnitude(config);
  };
  fill(config_.rope, divisors, &rotation_);
  // Layers with a rotation of their own are those that are never stretched.
  const bool local = config_.local_rope != config_.rope;
  if (local) fill(config_.local_rope, {}, &local_rotation_);
  for (std::size_t i = 0; i < config_.layers; ++i) {
    layers_[i].window = config_.windows[i];
    layers_[i].rotation = local && layers_[i].window > 0 ? &local_rotation_ : &rotation_;
  }
  return absl::OkStatus();
}

// What single frequencies are divided by: one list (Llama 3.1 and later), or one for short and one
// for long texts (LongRoPE).
absl::StatusOr<std::vector<float>> Decoder::LoadDivisors() {
  const std::size_t half = config_.rope_dim / 2;
  std::vector<float> divisors;
  if (file_->FindTensor("rope_freqs.weight") != nullptr) {
    RAGMESH_ASSIGN_OR_RETURN(divisors, LoadVector("rope_freqs.weight", half));
  } else if (file_->FindTensor("rope_factors_long.weight") != nullptr) {
    if (config_.rope.original_context == 0) {
      return Corrupt(file_->name(),
                     absl::StrCat("has rope_factors_long.weight and no ", config_.architecture,
                                  ".rope.scaling.original_context_length"));
    }
    RAGMESH_ASSIGN_OR_RETURN(divisors, LoadVector("rope_factors_long.weight", half));
    RAGMESH_ASSIGN_OR_RETURN(std::vector<float> brief,
                             LoadVector("rope_factors_short.weight", half));
    if (config_.context <= config_.rope.original_context) divisors = std::move(brief);
  }
  for (const float divisor : divisors) {
    if (!(divisor >= 1e-6f && divisor <= 1e6f)) {
      return Corrupt(file_->name(),
                     "a divisor of the rotations (tensor rope_*) is not between 1e-6 and 1e6");
    }
  }
  return divisors;
}

absl::Status Decoder::RefuseUnusedTensors() const {
  for (const gguf::Tensor& tensor : file_->tensors()) {
    if (used_.contains(&tensor)) continue;
    return MakeError(absl::StatusCode::kUnimplemented,
                     absl::StrCat(file_->name(), ": tensor ",
                                  absl::CHexEscape(tensor.name.substr(0, 64)), " has no part in a ",
                                  config_.architecture, " model of ", config_.layers, " layers"),
                     {.reason = "UNSUPPORTED_MODEL",
                      .next_step = "Use a file that a current converter wrote, or another model."});
  }
  return absl::OkStatus();
}

const gguf::Tensor* Decoder::Find(const std::string& name) const {
  const gguf::Tensor* tensor = file_->FindTensor(name);
  if (tensor != nullptr) used_.insert(tensor);
  return tensor;
}

absl::StatusOr<Decoder::Matrix> Decoder::LoadMatrix(const std::string& name, std::size_t rows,
                                                    std::size_t columns) const {
  const gguf::Tensor* tensor = Find(name);
  if (tensor == nullptr) return Corrupt(file_->name(), absl::StrCat("has no tensor ", name));
  if (tensor->dimensions != std::vector<std::uint64_t>{columns, rows}) {
    return Corrupt(file_->name(), absl::StrCat(name, " is not ", rows, " rows of ", columns));
  }
  Matrix matrix;
  RAGMESH_ASSIGN_OR_RETURN(matrix.stored.type, ToQuantType(*file_, *tensor));
  matrix.stored.data = reinterpret_cast<const std::uint8_t*>(tensor->data.data());
  matrix.stored.rows = rows;
  matrix.stored.columns = columns;
  return matrix;
}

absl::StatusOr<std::vector<float>> Decoder::LoadVector(const std::string& name,
                                                       std::size_t size) const {
  const gguf::Tensor* tensor = Find(name);
  if (tensor == nullptr) return Corrupt(file_->name(), absl::StrCat("has no tensor ", name));
  if (tensor->type != gguf::TensorType::kF32 || tensor->values != size) {
    return Corrupt(file_->name(), absl::StrCat(name, " is not ", size, " values of F32"));
  }
  std::vector<float> values(size);
  std::memcpy(values.data(), tensor->data.data(), size * sizeof(float));
  return values;
}

}  // namespace ragmesh::generation
