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
  const std::size_t share = (panels + 4 * static_cast<std::size_t>(threads) - 1) /
                            (4 * static_cast<std::size_t>(threads));
  const std::size_t fits = count <= quant::kVectorRows ? panels : kCacheBytes / panel_bytes;
  return std::max<std::size_t>(std::min(share, fits), 1);
}

std::size_t WideRow(const ModelConfig& config) {
  return std::max({config.embedding, config.feed_forward, config.heads * config.head_dim});
}

}  // namespace

void Decoder::Allocate() {
  const std::size_t qkv = (config_.heads + 2 * config_.kv_heads) * config_.head_dim;
  const std::size_t wide = WideRow(config_);
  stream_.resize(max_rows_ * config_.embedding);
  normed_.resize(max_rows_ * config_.embedding);
  qkv_.resize(max_rows_ * qkv);
  attended_.resize(max_rows_ * config_.heads * config_.head_dim);
  projected_.resize(max_rows_ * config_.embedding);
  hidden_.resize(max_rows_ * 2 * config_.feed_forward);
  for (Rotation* rotation : {&rotation_, &local_rotation_}) {
    rotation->cosines.resize(max_rows_ * rotation->frequencies.size());
    rotation->sines.resize(rotation->cosines.size());
  }
  const std::size_t tiles = (max_rows_ + quant::kTileRows - 1) / quant::kTileRows;
  rounded_.resize(tiles * (wide / quant::kRunValues));
  attention_scratch_.resize(static_cast<std::size_t>(pool_->threads()));
  for (auto& scratch : attention_scratch_) {
    scratch.resize(
        quant::AttentionScratchFloats(config_.head_dim) * sizeof(float) / sizeof(CacheLine) + 1);
  }
}

void Decoder::ForEachRow(std::size_t count, absl::FunctionRef<void(std::size_t)> work) {
  pool_->Run(count, [&](std::size_t row, int) { work(row); });
}

bool Decoder::Forward(absl::Span<const BatchRow> rows, absl::FunctionRef<bool()> go_on) {
  RAGMESH_CHECK(rows.size() <= max_rows_, "a pass is larger than its work space");
  const quant::WeightRows& embedding = embedding_.stored;
  const std::size_t row_bytes = quant::RowBytes(embedding.type, embedding.columns);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    RAGMESH_CHECK(
        rows[i].token < config_.vocabulary && rows[i].position < rows[i].cache->capacity(),
        "a row is outside the vocabulary or its cache");
    quant::ExpandRow(embedding.type, embedding.data + rows[i].token * row_bytes, config_.embedding,
                     &stream_[i * config_.embedding]);
    if (config_.embedding_scale != 1) {
      for (std::size_t j = 0; j < config_.embedding; ++j)
        stream_[i * config_.embedding + j] *= config_.embedding_scale;
    }
  }
  DivideRows(rows);
  for (Rotation* rotation : {&rotation_, &local_rotation_}) PrepareAngles(rows, rotation);
  ForEachRow(rows.size(), [&](std::size_t row) { Norm(layers_[0].attention_norm, row); });
  const bool all_wanted =
      std::all_of(rows.begin(), rows.end(), [](const BatchRow& row) { return row.wants_logits; });
  for (std::size_t layer = 0; layer < config_.layers; ++layer) {
    if (!go_on()) return false;
    MultiplyHeads(layer, rows.size());
    const bool prepared = layer + 1 == config_.layers && !all_wanted;
    if (prepared) {
      PrepareHeads(layer, rows);
      rows = KeepWanted(rows);
      if (rows.empty()) return true;
    }
    Attend(layer, rows, prepared);
    FeedForward(layer, rows.size());
  }
  ComputeLogits(rows.size());
  return true;
}

void Decoder::PrepareAngles(absl::Span<const BatchRow> rows, Rotation* rotation) const {
  const std::size_t half = rotation->frequencies.size();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < half; ++j) {
      const double angle = rows[i].position * rotation->frequencies[j];
      rotation->cosines[i * half + j] = static_cast<float>(std::cos(angle) * rotation->magnitude);
      rotation->sines[i * half + j] = static_cast<float>(std::sin(angle) * rotation->magnitude);
    }
  }
}

absl::Span<const BatchRow> Decoder::KeepWanted(absl::Span<const BatchRow> rows) {
  const std::size_t width = config_.embedding,
                    qkv = (config_.heads + 2 * config_.kv_heads) * config_.head_dim;
  kept_.clear();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (!rows[row].wants_logits) continue;
    if (row != kept_.size()) {
      std::copy_n(&stream_[row * width], width, &stream_[kept_.size() * width]);
      std::copy_n(&qkv_[row * qkv], qkv, &qkv_[kept_.size() * qkv]);
    }
    kept_.push_back(rows[row]);
  }
  DivideRows(kept_);
  return kept_;
}

void Decoder::MultiplyHeads(std::size_t index, std::size_t count) {
  const Layer& layer = layers_[index];
  const std::size_t heads = config_.heads * config_.head_dim,
                    kv = config_.kv_heads * config_.head_dim;
  Multiply({{&layer.q, 0}, {&layer.k, heads}, {&layer.v, heads + kv}}, normed_.data(), count,
           qkv_.data(), heads + 2 * kv);
}

void Decoder::FeedForward(std::size_t index, std::size_t count) {
  const Layer& layer = layers_[index];
  const std::size_t width = config_.embedding, wide = config_.feed_forward;
  Multiply({{&layer.output, 0}}, attended_.data(), count, projected_.data(), width);
  ForEachRow(count, [&](std::size_t row) {
    AddProjected(layer.post_attention_norm, row);
    Norm(layer.feed_forward_norm, row);
  });
  Multiply({{&layer.gate, 0}, {&layer.up, wide}}, normed_.data(), count, hidden_.data(), 2 * wide);
  ForEachRow(count, [&](std::size_t row) { RunGate(row); });
  // What is multiplied is the rounded row; else gates move together, since products read rows of
  // the width they multiply.
  if (count > 1 && !MultipliesRounded(layer.down)) {
    for (std::size_t row = 1; row < count; ++row) {
      std::memmove(&hidden_[row * wide], &hidden_[row * 2 * wide], wide * sizeof(float));
    }
  }
  Multiply({{&layer.down, 0}}, hidden_.data(), count, projected_.data(), width);
  ForEachRow(count, [&](std::size_t row) {
    AddProjected(layer.post_feed_forward_norm, row);
    if (index + 1 < config_.layers) Norm(layers_[index + 1].attention_norm, row);
  });
}

void Decoder::Norm(const std::vector<float>& weight, std::size_t row) {
  const std::size_t width = config_.embedding;
  kernels_->rms_norm(&stream_[row * width], weight.data(), width, config_.rms_epsilon,
                     &normed_[row * width]);
  RoundInput(&normed_[row * width], width, row, 0, width);
}

void Decoder::AddProjected(const std::vector<float>& post_norm, std::size_t row) {
  const std::size_t width = config_.embedding;
  float* stream = &stream_[row * width];
  float* projected = &projected_[row * width];
  if (!post_norm.empty())
    kernels_->rms_norm(projected, post_norm.data(), width, config_.rms_epsilon, projected);
  kernels_->add(stream, projected, width);
}

void Decoder::RunGate(std::size_t row) {
  const std::size_t wide = config_.feed_forward;
  float* gate = &hidden_[row * 2 * wide];
  const auto run =
      config_.activation == Activation::kGelu ? kernels_->gelu_mul : kernels_->silu_mul;
  run(gate, gate + wide, wide);
  RoundInput(gate, wide, row, 0, wide);
}

// Adds biases, norms heads and turns them by the row's position; keys and values go to the cache.
void Decoder::PrepareHead(std::size_t index, const BatchRow& at, std::size_t row,
                          std::size_t kv_head) {
  const Layer& layer = layers_[index];
  const std::size_t dim = config_.head_dim, group = config_.heads / config_.kv_heads,
                    key = config_.heads + kv_head, value = key + config_.kv_heads;
  float* qkv = &qkv_[row * (config_.heads + 2 * config_.kv_heads) * dim];
  const Rotation& rotation = *layer.rotation;
  const std::size_t half = rotation.frequencies.size();
  const auto prepare = [&](std::size_t head, const std::vector<float>& norm, bool turns) {
    float* values = qkv + head * dim;
    if (!layer.bias.empty()) kernels_->add(values, &layer.bias[head * dim], dim);
    if (!norm.empty()) kernels_->rms_norm(values, norm.data(), dim, config_.rms_epsilon, values);
    if (!turns) return;
    kernels_->rotate(&rotation.cosines[row * half], &rotation.sines[row * half], half,
                     config_.rope_halves, values);
  };
  for (std::size_t head = kv_head * group; head < (kv_head + 1) * group; ++head)
    prepare(head, layer.query_norm, true);
  prepare(key, layer.key_norm, true);
  prepare(value, {}, false);
  kernels_->store_kv(kv_shape_.type, qkv + key * dim, qkv + value * dim, dim,
                     at.position % quant::kBlockPositions,
                     at.cache->Block(at.position) + kv_shape_.Offset(index, kv_head));
}

void Decoder::PrepareHeads(std::size_t layer, absl::Span<const BatchRow> rows) {
  ForEachRow(rows.size(), [&](std::size_t row) {
    for (std::size_t head = 0; head < config_.kv_heads; ++head)
      PrepareHead(layer, rows[row], row, head);
  });
}

// Rows of one stream share what they read of its keys and values, and so do the query heads of a
// row. Where few rows would leave threads idle, the heads are divided.
void Decoder::Attend(std::size_t layer, absl::Span<const BatchRow> rows, bool prepared) {
  const std::size_t kv_heads = config_.kv_heads, group = config_.heads / kv_heads,
                    width = config_.heads * config_.head_dim;
  const bool few = segments_.size() * kv_heads < 4 * static_cast<std::size_t>(pool_->threads());
  const std::size_t together = few ? 1 : group, parts = config_.heads / together,
                    part = together * config_.head_dim;
  // A segment waits for nothing but its own keys when its stream has no other.
  const bool at_once = !prepared && !few && one_segment_each_;
  const bool rounds_parts = part % quant::kRunValues == 0;
  if (!prepared && !at_once) PrepareHeads(layer, rows);
  pool_->Run(segments_.size() * parts, [&](std::size_t item, int thread) {
    const Segment& segment = segments_[item / parts];
    const std::size_t head = item % parts * together;
    const std::size_t end = segment.first + segment.rows;
    for (std::size_t row = segment.first; at_once && row < end; ++row)
      PrepareHead(layer, rows[row], row, head / group);
    AttendSegment(layer, segment, rows[segment.first].cache->blocks(), head, together, thread);
    for (std::size_t row = segment.first; rounds_parts && row < end; ++row)
      RoundInput(&attended_[row * width + head * config_.head_dim], width, row,
                 head * config_.head_dim, part);
  });
  if (rounds_parts) return;
  ForEachRow(rows.size(),
             [&](std::size_t row) { RoundInput(&attended_[row * width], width, row, 0, width); });
}

void Decoder::AttendSegment(std::size_t layer, const Segment& segment,
                            const std::uint8_t* const* blocks, std::size_t head, std::size_t heads,
                            int thread) {
  const std::size_t dim = config_.head_dim, group = config_.heads / config_.kv_heads;
  const std::size_t qkv = (config_.heads + 2 * config_.kv_heads) * dim;
  quant::KvAttention work;
  work.type = kv_shape_.type;
  work.head_dim = dim;
  work.blocks = blocks;
  work.offset = kv_shape_.Offset(layer, head / group);
  work.queries = &qkv_[segment.first * qkv + head * dim];
  work.row_stride = qkv;
  work.rows = segment.rows;
  work.heads = heads;
  work.positions = &positions_[segment.first];
  work.window = layers_[layer].window;
  work.scale = config_.attention_scale;
  work.soft_cap = config_.attention_soft_cap;
  work.out = &attended_[(segment.first * config_.heads + head) * dim];
  work.out_stride = config_.heads * dim;
  work.scratch =
      reinterpret_cast<float*>(attention_scratch_[static_cast<std::size_t>(thread)].data());
  kernels_->attend(work);
}

// Neighbouring rows of one stream, a few at a time.
void Decoder::DivideRows(absl::Span<const BatchRow> rows) {
  constexpr std::size_t kSegmentRows = 8;
  segments_.clear();
  positions_.clear();
  one_segment_each_ = true;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    positions_.push_back(rows[i].position);
    const bool same_stream = i > 0 && rows[i].cache == rows[i - 1].cache;
    if (same_stream && segments_.back().rows < kSegmentRows) {
      ++segments_.back().rows;
    } else {
      segments_.push_back({i, 1});
      if (same_stream) one_segment_each_ = false;
    }
  }
}

void Decoder::CopyTurned(const KvCache& from, std::size_t from_begin, std::size_t count,
                         std::size_t to_begin, KvCache* to) {
  RAGMESH_CHECK(to_begin + count <= to->capacity(), "there is no room for what is copied");
  const double distance = static_cast<double>(to_begin) - static_cast<double>(from_begin);
  const auto turn = [distance](const Rotation& rotation) {
    std::pair<std::vector<float>, std::vector<float>>
        angles;  // without the magnitude: keys have it
    for (const double frequency : rotation.frequencies) {
      angles.first.push_back(static_cast<float>(std::cos(distance * frequency)));
      angles.second.push_back(static_cast<float>(std::sin(distance * frequency)));
    }
    return angles;
  };
  const auto everywhere = turn(rotation_), local = turn(local_rotation_);
  pool_->Run(config_.layers * config_.kv_heads, [&](std::size_t item, int) {
    const std::size_t layer = item / config_.kv_heads, head = item % config_.kv_heads;
    const std::size_t offset = kv_shape_.Offset(layer, head);
    const auto& [cosines, sines] = layers_[layer].rotation == &rotation_ ? everywhere : local;
    for (std::size_t i = 0; i < count;) {
      const std::size_t source = from_begin + i, target = to_begin + i,
                        from_slot = source % quant::kBlockPositions,
                        to_slot = target % quant::kBlockPositions,
                        here = std::min(count - i,
                                        quant::kBlockPositions - std::max(from_slot, to_slot));
      quant::CopyTurned(*kernels_, {.type = kv_shape_.type,
                                    .head_dim = config_.head_dim,
                                    .from = from.Block(source) + offset,
                                    .from_slot = from_slot,
                                    .to = to->Block(target) + offset,
                                    .to_slot = to_slot,
                                    .count = here,
                                    .cosines = cosines.data(),
                                    .sines = sines.data(),
                                    .half = cosines.size(),
                                    .halves = config_.rope_halves});
      i += here;
    }
  });
}

void Decoder::ComputeLogits(std::size_t count) {
  for (std::size_t row = 0; row < count; ++row) Norm(final_norm_, row);
  logits_.resize(std::max(logits_.size(), count * config_.vocabulary));
  Multiply({{&head_, 0}}, normed_.data(), count, logits_.data(), config_.vocabulary);
  if (config_.logit_soft_cap > 0) CapLogits(count);
}

void Decoder::CapLogits(std::size_t count) {
  constexpr std::size_t kPortion = 4'096;  // tens of microseconds
  const std::size_t total = count * config_.vocabulary;
  const float cap = config_.logit_soft_cap;
  ForEachRow((total + kPortion - 1) / kPortion, [&](std::size_t portion) {
    const std::size_t end = std::min(total, (portion + 1) * kPortion);
    for (std::size_t i = portion * kPortion; i < end; ++i)
      logits_[i] = cap * std::tanh(logits_[i] / cap);
  });
}

void Decoder::RoundInput(const float* input, std::size_t columns, std::size_t row,
                         std::size_t begin, std::size_t count) {
  if (mode_ != ComputeMode::kFast || columns % quant::kRunValues != 0) return;
  quant::Q8Tile* tiles = &rounded_[row / quant::kTileRows * (columns / quant::kRunValues)];
  kernels_->quantize_q8(input, count, row % quant::kTileRows, tiles + begin / quant::kRunValues);
}

bool Decoder::MultipliesRounded(const Matrix& matrix) const {
  return mode_ == ComputeMode::kFast && quant::IsQuantised(matrix.packed.type);
}

// The panels of all matrices form one list, cut into portions that the threads take in turn.
void Decoder::Multiply(absl::Span<const Product> products, const float* input, std::size_t count,
                       float* out, std::size_t out_stride) {
  std::size_t total = 0, panel_bytes = 1;
  for (const Product& product : products) {
    const quant::QuantMatrix& matrix = product.weights->packed;
    total += quant::PanelCount(matrix.rows);
    panel_bytes = std::max(panel_bytes, quant::LayOutPanel(matrix.type, matrix.columns).bytes);
  }
  const std::size_t portion = Portion(total, panel_bytes, count, pool_->threads());
  pool_->Run((total + portion - 1) / portion, [&](std::size_t item, int) {
    std::size_t begin = item * portion, left = std::min(portion, total - begin);
    for (const Product& product : products) {
      const std::size_t panels = quant::PanelCount(product.weights->packed.rows);
      if (begin >= panels) {
        begin -= panels;
        continue;
      }
      const std::size_t here = std::min(left, panels - begin);
      MultiplyPanels(product, begin, here, input, count, out, out_stride);
      left -= here;
      begin = 0;
      if (left == 0) return;
    }
  });
}

void Decoder::MultiplyPanels(const Product& product, std::size_t begin, std::size_t panels,
                             const float* input, std::size_t count, float* out,
                             std::size_t out_stride) {
  quant::QuantMatrix part = product.weights->packed;
  const std::size_t row = begin * quant::kPanelRows;
  part.data += begin * quant::LayOutPanel(part.type, part.columns).bytes;
  part.rows = std::min(panels * quant::kPanelRows, part.rows - row);
  float* to = out + product.offset + row;
  if (MultipliesRounded(*product.weights)) {
    kernels_->mul_q8(part, {rounded_.data(), count}, to, out_stride);
  } else {
    kernels_->mul_f32(part, input, count, to, out_stride);
  }
}

}  // namespace ragmesh::generation
