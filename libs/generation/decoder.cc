#include "libs/generation/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "libs/base/check.h"

namespace ragmesh::generation {
namespace {

// Panels of a product that a thread takes at a time. When one token is read, memory sets the pace,
// and each thread streams through long stretches. When many are, the panels stay in the core's
// cache from one tile of tokens to the next.
std::size_t Portion(std::size_t panels, std::size_t panel_bytes, std::size_t count, int threads) {
  constexpr std::size_t kCacheBytes = 256 << 10;
  const std::size_t share = (panels + 4 * static_cast<std::size_t>(threads) - 1) / (4 * static_cast<std::size_t>(threads));
  const std::size_t fits = count <= linalg::kMaxTileTokens ? panels : kCacheBytes / panel_bytes;
  return std::max<std::size_t>(std::min(share, fits), 1);
}

std::size_t WideRow(const ModelConfig& config) {
  return std::max({config.embedding, config.feed_forward, config.heads * config.head_dim});
}

}  // namespace

KvShape Decoder::kv_shape() const {
  return {config_.layers, config_.kv_heads, config_.head_dim, mode_ == ComputeMode::kFast};
}

void Decoder::Allocate() {
  const std::size_t qkv = (config_.heads + 2 * config_.kv_heads) * config_.head_dim;
  const std::size_t wide = WideRow(config_);
  stream_.resize(max_rows_ * config_.embedding);
  normed_.resize(max_rows_ * config_.embedding);
  qkv_.resize(max_rows_ * qkv);
  attended_.resize(max_rows_ * config_.heads * config_.head_dim);
  projected_.resize(max_rows_ * config_.embedding);
  hidden_.resize(max_rows_ * 2 * config_.feed_forward);
  cosines_.resize(max_rows_ * config_.rope_dim / 2);
  sines_.resize(max_rows_ * config_.rope_dim / 2);
  q8_.resize(max_rows_ * wide);
  q8_scale_.resize(max_rows_ * (wide / linalg::kRunValues + 1));
  q8_sum_.resize(q8_scale_.size());
  q8_total_.resize(2 * q8_scale_.size());
  scratch_.resize(static_cast<std::size_t>(pool_->threads()));
  scores_.resize(scratch_.size());
  for (auto& scratch : scratch_)
    scratch.resize(linalg::QuantScratchBytes(wide) / sizeof(CacheLine) + 1);
}

void Decoder::ForEachRow(std::size_t count, absl::FunctionRef<void(std::size_t)> work) {
  pool_->Run(count, [&](std::size_t row, int) { work(row); });
}

bool Decoder::Forward(absl::Span<const BatchRow> rows, absl::FunctionRef<bool()> go_on) {
  RAGMESH_CHECK(rows.size() <= max_rows_, "a pass is larger than its work space");
  const linalg::WeightRows& embedding = embedding_.stored;
  const std::size_t row_bytes = linalg::RowBytes(embedding.type, embedding.columns);
  std::size_t longest = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    RAGMESH_CHECK(
        rows[i].token < config_.vocabulary && rows[i].position < rows[i].cache->capacity(),
        "a row is outside the vocabulary or its cache");
    linalg::ExpandRow(embedding.type, embedding.data + rows[i].token * row_bytes,
                      config_.embedding, &stream_[i * config_.embedding]);
    longest = std::max<std::size_t>(longest, rows[i].position + 1);
  }
  for (auto& scores : scores_) scores.resize(std::max(scores.size(), longest + 8));
  PrepareAngles(rows);
  for (std::size_t layer = 0; layer < config_.layers; ++layer) {
    if (!go_on()) return false;
    RunLayer(layer, rows);
  }
  ComputeLogits(rows);
  return true;
}

void Decoder::PrepareAngles(absl::Span<const BatchRow> rows) {
  const std::size_t half = config_.rope_dim / 2;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < half; ++j) {
      const double angle = rows[i].position * frequencies_[j];
      cosines_[i * half + j] = static_cast<float>(std::cos(angle));
      sines_[i * half + j] = static_cast<float>(std::sin(angle));
    }
  }
}

void Decoder::RunLayer(std::size_t index, absl::Span<const BatchRow> rows) {
  const Layer& layer = layers_[index];
  const std::size_t count = rows.size(), width = config_.embedding,
                    heads = config_.heads * config_.head_dim;
  const std::size_t kv = config_.kv_heads * config_.head_dim, wide = config_.feed_forward;
  const auto norm = [&](std::size_t row, const std::vector<float>& weight) {
    kernels_->rms_norm(&stream_[row * width], weight.data(), width, config_.rms_epsilon,
                       &normed_[row * width]);
    RoundInput(&normed_[row * width], width, row);
  };
  const auto add_projected = [&](std::size_t row) {
    float* stream = &stream_[row * width];
    const float* projected = &projected_[row * width];
    for (std::size_t i = 0; i < width; ++i) stream[i] += projected[i];
  };

  ForEachRow(count, [&](std::size_t row) { norm(row, layer.attention_norm); });
  Multiply({{&layer.q, 0}, {&layer.k, heads}, {&layer.v, heads + kv}}, normed_.data(), count,
           qkv_.data(), heads + 2 * kv);
  ForEachRow(count, [&](std::size_t row) { StoreKeysAndValues(index, row, rows[row]); });
  Attend(index, rows);
  ForEachRow(count, [&](std::size_t row) { RoundInput(&attended_[row * heads], heads, row); });
  Multiply({{&layer.output, 0}}, attended_.data(), count, projected_.data(), width);
  ForEachRow(count, [&](std::size_t row) {
    add_projected(row);
    norm(row, layer.feed_forward_norm);
  });
  Multiply({{&layer.gate, 0}, {&layer.up, wide}}, normed_.data(), count, hidden_.data(), 2 * wide);
  ForEachRow(count, [&](std::size_t row) {
    float* gate = &hidden_[row * 2 * wide];
    kernels_->silu_mul(gate, gate + wide, wide);
    RoundInput(gate, wide, row);
  });
  if (count > 1) {  // gates move together: products read rows of the width they multiply
    for (std::size_t row = 1; row < count; ++row) {
      std::memmove(&hidden_[row * wide], &hidden_[row * 2 * wide], wide * sizeof(float));
    }
  }
  Multiply({{&layer.down, 0}}, hidden_.data(), count, projected_.data(), width);
  ForEachRow(count, add_projected);
}

// Adds biases, rotates the row's queries and keys by its position, and puts keys and values into
// its cache.
void Decoder::StoreKeysAndValues(std::size_t layer, std::size_t row, const BatchRow& at) {
  const std::size_t dim = config_.head_dim, half = config_.rope_dim / 2;
  float* qkv = &qkv_[row * (config_.heads + 2 * config_.kv_heads) * dim];
  const std::vector<float>& bias = layers_[layer].bias;
  for (std::size_t i = 0; i < bias.size(); ++i) qkv[i] += bias[i];
  const float* cosines = &cosines_[row * half];
  const float* sines = &sines_[row * half];
  const std::size_t second = config_.rope_halves ? half : 1, step = config_.rope_halves ? 1 : 2;
  for (std::size_t head = 0; head < config_.heads + config_.kv_heads; ++head) {
    float* values = qkv + head * dim;
    for (std::size_t j = 0; j < half; ++j) {
      float& a = values[j * step];
      float& b = values[j * step + second];
      const float x = a, y = b;
      a = x * cosines[j] - y * sines[j];
      b = x * sines[j] + y * cosines[j];
    }
  }
  const float* keys = qkv + config_.heads * dim;
  const float* values = keys + config_.kv_heads * dim;
  for (std::size_t head = 0; head < config_.kv_heads; ++head) {
    const std::size_t offset = at.position * dim;
    if (at.cache->shape().half) {
      kernels_->to_half(keys + head * dim, dim,
                        static_cast<std::uint16_t*>(at.cache->Keys(layer, head)) + offset);
      kernels_->to_half(values + head * dim, dim,
                        static_cast<std::uint16_t*>(at.cache->Values(layer, head)) + offset);
    } else {
      std::memcpy(static_cast<float*>(at.cache->Keys(layer, head)) + offset, keys + head * dim,
                  dim * sizeof(float));
      std::memcpy(static_cast<float*>(at.cache->Values(layer, head)) + offset, values + head * dim,
                  dim * sizeof(float));
    }
  }
}

void Decoder::Attend(std::size_t layer, absl::Span<const BatchRow> rows) {
  const std::size_t dim = config_.head_dim, group = config_.heads / config_.kv_heads;
  const std::size_t qkv = (config_.heads + 2 * config_.kv_heads) * dim;
  pool_->Run(rows.size() * config_.heads, [&](std::size_t item, int thread) {
    const std::size_t row = item / config_.heads, head = item % config_.heads;
    linalg::AttentionHead work;
    work.query = &qkv_[row * qkv + head * dim];
    work.keys = rows[row].cache->Keys(layer, head / group);
    work.values = rows[row].cache->Values(layer, head / group);
    work.half = rows[row].cache->shape().half;
    work.head_dim = dim;
    work.positions = rows[row].position + 1;
    work.scale = 1.0f / std::sqrt(static_cast<float>(dim));
    work.scores = scores_[static_cast<std::size_t>(thread)].data();
    work.out = &attended_[(row * config_.heads + head) * dim];
    kernels_->attend(work);
  });
}

void Decoder::ComputeLogits(absl::Span<const BatchRow> rows) {
  const std::size_t width = config_.embedding;
  std::size_t count = 0;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (!rows[row].wants_logits) continue;
    kernels_->rms_norm(&stream_[row * width], final_norm_.data(), width, config_.rms_epsilon,
                       &normed_[count * width]);
    RoundInput(&normed_[count * width], width, count);
    ++count;
  }
  logits_.resize(std::max(logits_.size(), count * config_.vocabulary));
  if (count > 0) Multiply({{&head_, 0}}, normed_.data(), count, logits_.data(), config_.vocabulary);
}

void Decoder::RoundInput(const float* input, std::size_t columns, std::size_t row) {
  if (mode_ != ComputeMode::kFast || columns % linalg::kRunValues != 0) return;
  const std::size_t runs = columns / linalg::kRunValues;
  kernels_->quantize_q8(input, columns, &q8_[row * columns], &q8_scale_[row * runs],
                        &q8_sum_[row * runs], &q8_total_[2 * row * runs]);
}

// The panels of all matrices form one list, cut into portions that the threads take in turn.
void Decoder::Multiply(absl::Span<const Product> products, const float* input, std::size_t count,
                       float* out, std::size_t out_stride) {
  std::size_t total = 0, panel_bytes = 1;
  for (const Product& product : products) {
    const linalg::QuantMatrix& matrix = product.weights->packed;
    total += linalg::PanelCount(matrix.rows);
    panel_bytes = std::max(panel_bytes, linalg::LayOutPanel(matrix.type, matrix.columns).bytes);
  }
  const std::size_t portion = Portion(total, panel_bytes, count, pool_->threads());
  pool_->Run((total + portion - 1) / portion, [&](std::size_t item, int thread) {
    std::size_t begin = item * portion, left = std::min(portion, total - begin);
    for (const Product& product : products) {
      const std::size_t panels = linalg::PanelCount(product.weights->packed.rows);
      if (begin >= panels) {
        begin -= panels;
        continue;
      }
      const std::size_t here = std::min(left, panels - begin);
      MultiplyPanels(product, begin, here, input, count, out, out_stride, thread);
      left -= here;
      begin = 0;
      if (left == 0) return;
    }
  });
}

void Decoder::MultiplyPanels(const Product& product, std::size_t begin, std::size_t panels,
                             const float* input, std::size_t count, float* out,
                             std::size_t out_stride, int thread) {
  linalg::QuantMatrix part = product.weights->packed;
  const std::size_t row = begin * linalg::kPanelRows;
  part.data += begin * linalg::LayOutPanel(part.type, part.columns).bytes;
  part.rows = std::min(panels * linalg::kPanelRows, part.rows - row);
  float* to = out + product.offset + row;
  if (mode_ == ComputeMode::kFast && linalg::IsQuantised(part.type)) {
    kernels_->mul_q8(part, {q8_.data(), q8_scale_.data(), q8_sum_.data(), q8_total_.data(), count},
                     to, out_stride, scratch_[static_cast<std::size_t>(thread)].data());
  } else {
    kernels_->mul_f32(part, input, count, to, out_stride);
  }
}

}  // namespace ragmesh::generation
