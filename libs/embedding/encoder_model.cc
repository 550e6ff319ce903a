#include "libs/embedding/encoder_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::embedding {
namespace {

// Rows that share one pass over a layer's weights: as many as a batch has, as a rule. Fewer would
// keep the feed-forward part in the second-level cache, but read the weights from the third more
// often, which costs more (docs/benchmarks.md). It bounds the memory of long texts.
constexpr std::size_t kBlockRows = 256;

// The whole product for `count` rows from `first`, panel by panel.
void Multiply(const LinearWeights& linear, const linalg::PackedRows& rows, std::size_t first,
              std::size_t count, bool gelu, EncoderModel::LoopRunner loops, float* out,
              std::size_t out_stride) {
  loops(linear.matrix.panels(), [&](std::size_t panel, int) {
    linear.matrix.MultiplyPanel(rows, first, count, panel,
                                {.bias = linear.bias.data(), .gelu = gelu}, out, out_stride);
  });
}

}  // namespace

EncoderWorkspace::EncoderWorkspace(const EncoderModel& model, int threads)
    : model_(model),
      threads_(static_cast<std::size_t>(threads)),
      rows_(model.kernels(), model.precision(), model.config().hidden),
      inner_rows_(model.kernels(), model.precision(), model.config().intermediate) {}

absl::Span<const float> EncoderWorkspace::hidden(std::size_t index) const {
  const std::size_t width = model_.config().hidden;
  return {row(hidden_, starts_[index], width), (starts_[index + 1] - starts_[index]) * width};
}

void EncoderWorkspace::Reset(absl::Span<const EncoderText> texts) {
  const EncoderConfig& config = model_.config();
  starts_.assign(1, 0);
  std::size_t longest = 0;
  for (const EncoderText& text : texts) {
    starts_.push_back(starts_.back() + text.ids.size());
    longest = std::max(longest, text.ids.size());
  }
  const std::size_t tokens = starts_.back();
  block_rows_ = model_.rows_are_independent() ? std::min(tokens, kBlockRows) : tokens;
  const auto reserve = [](linalg::AlignedBytes* bytes, std::size_t rows, std::size_t width) {
    bytes->Reserve(rows * width * sizeof(float));
  };
  reserve(&hidden_, tokens, config.hidden);
  reserve(&query_key_value_, tokens, 3 * config.hidden);
  reserve(&context_, tokens, config.hidden);
  reserve(&inner_, block_rows_, config.intermediate);
  reserve(&update_, block_rows_, config.hidden);
  rows_.Reset(tokens);
  inner_rows_.Reset(block_rows_);
  attention_bytes_ = model_.attention_.scratch_bytes(longest, config.hidden / config.heads);
  attention_bytes_ = (attention_bytes_ + 63) / 64 * 64;
  attention_.Reserve(attention_bytes_ * threads_);
}

EncoderModel::EncoderModel(const EncoderConfig& config, const linalg::Kernels& kernels,
                           linalg::Precision precision, EncoderWeights weights)
    : config_(config),
      kernels_(kernels),
      precision_(precision),
      attention_(precision == linalg::Precision::kF32 || kernels.bf16_attention.attend == nullptr
                     ? kernels.f32_attention
                     : kernels.bf16_attention),
      rows_are_independent_(linalg::PackedMatrix(kernels, precision).rows_are_independent()),
      weights_(std::move(weights)) {}

absl::StatusOr<std::shared_ptr<const EncoderModel>> EncoderModel::Load(
    const std::shared_ptr<const model_files::Safetensors>& file, const EncoderConfig& config,
    const linalg::Kernels& kernels, linalg::Precision precision, const Calibration* calibration,
    std::shared_ptr<const PackedWeights> packed) {
  RAGMESH_ASSIGN_OR_RETURN(
      EncoderWeights weights,
      EncoderWeights::Load(file, config, kernels, precision, calibration, std::move(packed)));
  return std::shared_ptr<const EncoderModel>(
      new EncoderModel(config, kernels, precision, std::move(weights)));
}

absl::Status EncoderModel::Check(const EncoderText& text) const {
  if (text.ids.empty() || text.ids.size() > config_.positions) {
    return InvalidField(
        "ids", absl::StrCat("must be 1 to ", config_.positions, " tokens, not ", text.ids.size()));
  }
  if (!text.types.empty() && text.types.size() != text.ids.size())
    return InvalidField("types", "must be as many as ids");
  for (const std::uint32_t id : text.ids) {
    if (id >= config_.vocabulary)
      return InvalidField("ids", absl::StrCat("has ", id, ", which the model does not know"));
  }
  for (const std::uint8_t type : text.types) {
    if (type >= config_.token_types)
      return InvalidField("types", absl::StrCat("has ", type, ", which the model does not know"));
  }
  return absl::OkStatus();
}

void EncoderModel::RunHere(std::size_t items,
                           absl::FunctionRef<void(std::size_t item, int thread)> work) {
  for (std::size_t item = 0; item < items; ++item) work(item, 0);
}

bool EncoderModel::Forward(absl::Span<const EncoderText> texts, EncoderWorkspace* workspace,
                           GoOn go_on, LoopRunner loops) const {
  workspace->Reset(texts);
  Embed(texts, workspace);
  const std::size_t tokens = workspace->starts_.back();
  for (std::size_t i = 0; i < weights_.layers.size(); ++i) {
    if (!go_on(i)) return false;
    ProjectAndAttend(i, loops, workspace);
    for (std::size_t first = 0; first < tokens; first += workspace->block_rows_) {
      FinishBlock(i, first, std::min(workspace->block_rows_, tokens - first), loops, workspace);
    }
  }
  return go_on(weights_.layers.size());
}

void EncoderModel::Embed(absl::Span<const EncoderText> texts, EncoderWorkspace* workspace) const {
  // Words lie anywhere in a table larger than the caches: they are sent for this many tokens ahead.
  constexpr std::size_t kAhead = 4;
  constexpr std::size_t kLineFloats = 16;
  const std::size_t width = config_.hidden;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const absl::Span<const std::uint32_t> ids = texts[i].ids;
    for (std::size_t t = 0; t < ids.size(); ++t) {
      if (t + kAhead < ids.size()) {
        const float* const later = weights_.words.data() + ids[t + kAhead] * width;
        for (std::size_t c = 0; c < width; c += kLineFloats) __builtin_prefetch(later + c);
      }
      const float* const word = weights_.words.data() + ids[t] * width;
      const float* const type =
          weights_.types.data() + (texts[i].types.empty() ? 0 : texts[i].types[t]) * width;
      const std::size_t at = workspace->starts_[i] + t;
      float* const row = workspace->row(workspace->hidden_, at, width);
      std::copy_n(word, width, row);
      kernels_.add_scaled(1, type, row, width);
      kernels_.add_layer_norm(weights_.positions.data() + (config_.first_position + t) * width,
                              weights_.embedding_norm.gain.data(),
                              weights_.embedding_norm.offset.data(), config_.layer_norm_epsilon,
                              row, width);
      Feed(0, LayerProduct::kQueryKeyValue, at, row, workspace);
    }
  }
}

void EncoderModel::ProjectAndAttend(std::size_t index, LoopRunner loops,
                                    EncoderWorkspace* workspace) const {
  const LayerWeights& layer = weights_.layers[index];
  const std::size_t width = config_.hidden, stride = 3 * width;
  const std::size_t tokens = workspace->starts_.back();
  float* const projected = workspace->row(workspace->query_key_value_, 0, stride);
  for (std::size_t first = 0; first < tokens; first += workspace->block_rows_) {
    const std::size_t count = std::min(workspace->block_rows_, tokens - first);
    Multiply(layer.query_key_value, workspace->rows_, first, count, false, loops,
             projected + first * stride, stride);
  }
  const std::size_t head_width = width / config_.heads;
  loops((workspace->starts_.size() - 1) * config_.heads, [&](std::size_t item, int thread) {
    RAGMESH_CHECK(static_cast<std::size_t>(thread) < workspace->threads_,
                  "a loop has more threads than its workspace");
    const std::size_t text = item / config_.heads, head = item % config_.heads;
    const std::size_t first = workspace->starts_[text];
    const float* const queries = projected + first * stride + head * head_width;
    attention_.attend({.queries = queries,
                       .keys = queries + width,
                       .values = queries + 2 * width,
                       .stride = stride,
                       .tokens = workspace->starts_[text + 1] - first,
                       .width = head_width,
                       .scale = 1.0f / std::sqrt(static_cast<float>(head_width)),
                       .out = workspace->row(workspace->context_, first, width) + head * head_width,
                       .out_stride = width,
                       .scratch = workspace->attention_.data() +
                                  static_cast<std::size_t>(thread) * workspace->attention_bytes_});
  });
}

void EncoderModel::FinishBlock(std::size_t index, std::size_t first, std::size_t count,
                               LoopRunner loops, EncoderWorkspace* workspace) const {
  const LayerWeights& layer = weights_.layers[index];
  const std::size_t width = config_.hidden, inner_width = config_.intermediate;
  float* const update = workspace->row(workspace->update_, 0, width);
  float* const inner = workspace->row(workspace->inner_, 0, inner_width);

  for (std::size_t r = first; r < first + count; ++r)
    Feed(index, LayerProduct::kAttentionOutput, r, workspace->row(workspace->context_, r, width),
         workspace);
  Multiply(layer.attention_output, workspace->rows_, first, count, false, loops, update, width);
  AddAndNormalise(layer.attention_norm, index, LayerProduct::kIntermediate, first, count,
                  workspace);

  Multiply(layer.intermediate, workspace->rows_, first, count, true, loops, inner, inner_width);
  for (std::size_t r = 0; r < count; ++r)
    Feed(index, LayerProduct::kOutput, r, inner + r * inner_width, workspace);
  Multiply(layer.output, workspace->inner_rows_, 0, count, false, loops, update, width);
  AddAndNormalise(layer.output_norm, index + 1, LayerProduct::kQueryKeyValue, first, count,
                  workspace);
}

void EncoderModel::AddAndNormalise(const NormWeights& norm, std::size_t layer, LayerProduct product,
                                   std::size_t first, std::size_t count,
                                   EncoderWorkspace* workspace) const {
  const std::size_t width = config_.hidden;
  for (std::size_t r = 0; r < count; ++r) {
    float* const row = workspace->row(workspace->hidden_, first + r, width);
    kernels_.add_layer_norm(workspace->row(workspace->update_, r, width), norm.gain.data(),
                            norm.offset.data(), config_.layer_norm_epsilon, row, width);
    Feed(layer, product, first + r, row, workspace);
  }
}

void EncoderModel::Feed(std::size_t layer, LayerProduct product, std::size_t row,
                        const float* values, EncoderWorkspace* workspace) const {
  if (layer == weights_.layers.size()) return;
  linalg::PackedRows& rows =
      product == LayerProduct::kOutput ? workspace->inner_rows_ : workspace->rows_;
  if (workspace->observer_ != nullptr) workspace->observer_(layer, product, {values, rows.width()});
  const std::vector<float>& factors = weights_.layers[layer].product(product).input_factors;
  rows.Set(row, values, factors.empty() ? nullptr : factors.data());
}

}  // namespace ragmesh::embedding
