// The readable definition of what every other table computes.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#define RAGMESH_SIMD_TARGET
#include "libs/quant/kernels.h"
#include "libs/quant/kv_rows.h"

namespace ragmesh::quant {
namespace {

// Values that are not finite come only from broken weights; they round to something in range.
float RoundQ8(float x, float inverse) {
  const float rounded = std::nearbyint(x * inverse);
  return rounded >= -127.0f ? (rounded <= 127.0f ? rounded : 127.0f) : -127.0f;
}

// The squares of what rounding leaves of a run, added up as vectors of 16 lanes do.
float ErrorOfRun(const float* x, float scale, float inverse) {
  float lanes[16];
  for (std::size_t i = 0; i < 16; ++i) {
    const float a = std::fma(-scale, RoundQ8(x[i], inverse), x[i]),
                b = std::fma(-scale, RoundQ8(x[i + 16], inverse), x[i + 16]);
    lanes[i] = std::fma(b, b, a * a);
  }
  float quarters[4];
  for (std::size_t i = 0; i < 4; ++i)
    quarters[i] = (lanes[4 * i] + lanes[4 * i + 2]) + (lanes[4 * i + 1] + lanes[4 * i + 3]);
  return (quarters[0] + quarters[2]) + (quarters[1] + quarters[3]);
}

void QuantizeQ8(const float* x, std::size_t columns, std::size_t slot, Q8Tile* tiles) {
  for (std::size_t r = 0; r < columns / kRunValues; ++r, x += kRunValues) {
    float largest = 0;
    for (std::size_t i = 0; i < kRunValues; ++i) largest = std::max(largest, std::fabs(x[i]));
    float scale[2], inverse[2], error[2];
    for (std::size_t t = 0; t < 2; ++t) {
      scale[t] = largest / kQ8Tops[t];
      inverse[t] = largest > 0 ? kQ8Tops[t] / largest : 0.0f;
      error[t] = ErrorOfRun(x, scale[t], inverse[t]);
    }
    const std::size_t best = error[1] < error[0] ? 1 : 0;
    std::int32_t total[2] = {0, 0};
    for (std::size_t i = 0; i < kRunValues; ++i) {
      tiles[r].q[slot][i] = static_cast<std::int8_t>(RoundQ8(x[i], inverse[best]));
      total[i / 16] += tiles[r].q[slot][i];
    }
    const std::int32_t whole = total[0] + total[1];
    tiles[r].of[slot] = {scale[best], scale[best] * static_cast<float>(whole), -whole, -total[0]};
  }
}

// Row `r` of a panel, read back run by run.
class PanelRow {
 public:
  PanelRow(const QuantMatrix& matrix, std::size_t row)
      : type_(matrix.type),
        layout_(LayOutPanel(matrix.type, matrix.columns)),
        panel_(matrix.data + row / kPanelRows * layout_.bytes),
        r_(row % kPanelRows) {}

  float Value(std::size_t column) const {  // of F32, F16 and BF16
    float value;
    ExpandRow(type_, panel_ + (column * kPanelRows + r_) * BlockBytes(type_), 1, &value);
    return value;
  }

  Run ReadPackedRun(std::size_t run) const {
    Run out;
    const std::uint8_t* lines = panel_ + layout_.quants + run * RunBytes(type_);
    for (std::size_t i = 0; i < kRunValues; ++i)
      out.q[i] = static_cast<std::int16_t>(HasLevels(type_) ? kIq4Levels[Stored(lines, i)]
                                                            : Stored(lines, i) - StoredBias(type_));
    const std::size_t scale = HasSuperblocks(type_) ? run / 8 : run;
    out.d = Half(layout_.d, scale);
    if (HasOffsets(type_)) out.m = Half(layout_.m, scale), out.minimum[0] = out.minimum[1] = -1;
    if (!HasSuperblocks(type_)) return out;
    for (std::size_t h = 0; h < 2; ++h) {
      const std::size_t at = HasHalves(type_) ? 2 * run + h : run;
      const std::uint8_t multiple = Byte(layout_.multiples, at);
      out.multiple[h] = HasOffsets(type_) ? multiple : static_cast<std::int8_t>(multiple);
      if (HasOffsets(type_)) out.minimum[h] = Byte(layout_.minimums, at);
    }
    return out;
  }

 private:
  std::uint8_t Byte(std::size_t part, std::size_t index) const {
    return panel_[part + index * kPanelRows + r_];
  }
  std::uint16_t Half(std::size_t part, std::size_t index) const {
    std::uint16_t half;
    std::memcpy(&half, panel_ + part + (index * kPanelRows + r_) * sizeof(half), sizeof(half));
    return half;
  }
  int Stored(const std::uint8_t* lines, std::size_t i) const {
    const std::size_t group = i / 4, byte = 4 * r_ + i % 4;
    if (QuantBits(type_) == 8) return lines[group * 64 + byte];
    const int nibbles = lines[group % 4 * 64 + byte];
    const int low = group < 4 ? nibbles & 15 : nibbles >> 4;
    if (QuantBits(type_) == 5) return low | ((lines[256 + byte] >> group) & 1) << 4;
    if (QuantBits(type_) == 6)
      return low | ((lines[256 + group / 4 * 64 + byte] >> (2 * (group % 4))) & 3) << 4;
    return low;
  }

  const QuantType type_;
  const PanelLayout layout_;
  const std::uint8_t* const panel_;
  const std::size_t r_;
};

void ExpandPackedRun(const QuantMatrix& weights, const PanelRow& row, std::size_t begin,
                     std::size_t count, float* out) {
  if (!IsQuantised(weights.type)) {
    for (std::size_t i = 0; i < count; ++i) out[i] = row.Value(begin + i);
    return;
  }
  const Run run = row.ReadPackedRun(begin / kRunValues);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = run.Scale(i / 16) * static_cast<float>(run.q[i]) + run.Offset(i / 16);
}

void MulF32(const QuantMatrix& weights, const float* x, std::size_t count, float* out,
            std::size_t out_stride) {
  float expanded[kRunValues];
  for (std::size_t r = 0; r < weights.rows; ++r) {
    const PanelRow row(weights, r);
    for (std::size_t a = 0; a < count; ++a) out[a * out_stride + r] = 0;
    for (std::size_t begin = 0; begin < weights.columns; begin += kRunValues) {
      const std::size_t columns = std::min(kRunValues, weights.columns - begin);
      ExpandPackedRun(weights, row, begin, columns, expanded);
      for (std::size_t a = 0; a < count; ++a) {
        float sum = 0;
        for (std::size_t i = 0; i < columns; ++i)
          sum = std::fma(expanded[i], x[a * weights.columns + begin + i], sum);
        out[a * out_stride + r] += sum;
      }
    }
  }
}

void MulQ8(const QuantMatrix& weights, const Q8Rows& x, float* out, std::size_t out_stride) {
  const std::size_t runs = weights.columns / kRunValues;
  for (std::size_t r = 0; r < weights.rows; ++r) {
    const PanelRow row(weights, r);
    for (std::size_t a = 0; a < x.rows; ++a) out[a * out_stride + r] = 0;
    for (std::size_t i = 0; i < runs; ++i) {
      const Run run = row.ReadPackedRun(i);
      // Multiples that a whole run shares go with its scale.
      const bool halves = HasHalves(weights.type);
      const float scale = halves ? HalfToFloat(run.d) : run.Scale(0);
      const float offset = halves ? -HalfToFloat(run.m) : run.Offset(0);
      for (std::size_t a = 0; a < x.rows; ++a) {
        const Q8Tile& tile = x.tiles[a / kTileRows * runs + i];
        const std::int8_t* q = tile.q[a % kTileRows];
        const Q8Tile::Sums& of = tile.of[a % kTileRows];
        std::int32_t product = 0;
        for (std::size_t j = 0; j < kRunValues; ++j)
          product += (halves ? run.multiple[j / 16] : 1) * run.q[j] * q[j];
        float& total = out[a * out_stride + r];
        total = std::fma(static_cast<float>(product), scale * of.scale, total);
        if (!HasOffsets(weights.type)) continue;
        const std::int32_t minimums =
            -run.minimum[0] * of.first + run.minimum[1] * (of.first - of.whole);
        total = std::fma(offset, halves ? static_cast<float>(minimums) * of.scale : of.sum, total);
      }
    }
  }
}

// A cached head, element by element.
class CachedHead {
 public:
  CachedHead(const KvAttention& work, std::size_t position)
      : type_(work.type),
        head_dim_(work.head_dim),
        layout_(work.type, work.head_dim),
        block_(work.blocks[position / kBlockPositions] + work.offset),
        slot_(position % kBlockPositions) {}

  float Key(std::size_t d) const {
    if (type_ == KvType::kBF16)
      return BFloatToFloat(Words()[(d / 2 * kBlockPositions + slot_) * 2 + d % 2]);
    const float stored = Element(block_, d * kBlockPositions + slot_);
    if (type_ != KvType::kQ8) return stored;
    return stored * Scale(layout_.key_scales, d / kScaleDims * kBlockPositions + slot_);
  }
  float Value(std::size_t d) const {
    if (type_ == KvType::kBF16) {
      const std::size_t pair = slot_ / 2 * layout_.padded_dim + d;
      return BFloatToFloat(Words()[layout_.values / 2 + 2 * pair + slot_ % 2]);
    }
    const float stored = Element(block_ + layout_.values, slot_ * layout_.padded_dim + d);
    if (type_ != KvType::kQ8) return stored;
    const std::size_t runs = (head_dim_ + kScaleDims - 1) / kScaleDims;
    return stored * Scale(layout_.value_scales, slot_ * runs + d / kScaleDims);
  }

 private:
  const std::uint16_t* Words() const { return reinterpret_cast<const std::uint16_t*>(block_); }
  float Element(const std::uint8_t* part, std::size_t index) const {
    if (type_ == KvType::kQ8) return static_cast<std::int8_t>(part[index]);
    if (type_ == KvType::kF16)
      return HalfToFloat(reinterpret_cast<const std::uint16_t*>(part)[index]);
    return reinterpret_cast<const float*>(part)[index];
  }
  float Scale(std::size_t part, std::size_t index) const {
    return HalfToFloat(reinterpret_cast<const std::uint16_t*>(block_ + part)[index]);
  }

  const KvType type_;
  const std::size_t head_dim_;
  const KvLayout layout_;
  const std::uint8_t* const block_;
  const std::size_t slot_;
};

void AttendOne(const KvAttention& work, const float* query, std::size_t first, std::size_t end,
               float* out) {
  // What is multiplied with bf16 is rounded to it; weights add up as they were.
  const auto rounded = [&](float x) {
    return work.type == KvType::kBF16 ? BFloatToFloat(FloatToBFloat(x)) : x;
  };
  std::vector<float> weights(end - first);
  float largest = -INFINITY, total = 0;
  for (std::size_t p = first; p < end; ++p) {
    const CachedHead cached(work, p);
    float score = 0;
    for (std::size_t d = 0; d < work.head_dim; ++d) score += rounded(query[d]) * cached.Key(d);
    score *= work.scale;
    if (work.soft_cap > 0) score = work.soft_cap * std::tanh(score / work.soft_cap);
    weights[p - first] = score;
    largest = std::max(largest, score);
  }
  for (float& weight : weights) {
    weight = std::exp(weight - largest);
    total += weight;
    weight = rounded(weight);
  }
  for (std::size_t d = 0; d < work.head_dim; ++d) {
    float sum = 0;
    for (std::size_t p = first; p < end; ++p)
      sum += weights[p - first] * CachedHead(work, p).Value(d);
    out[d] = sum / total;
  }
}

void Attend(const KvAttention& work) {
  for (std::size_t row = 0; row < work.rows; ++row) {
    const std::size_t end = work.positions[row] + std::size_t{1};
    const std::size_t first = work.window > 0 && end > work.window ? end - work.window : 0;
    for (std::size_t h = 0; h < work.heads; ++h) {
      AttendOne(work, work.queries + row * work.row_stride + h * work.head_dim, first, end,
                work.out + row * work.out_stride + h * work.head_dim);
    }
  }
}

// Floats one at a time, for what is written once for all widths.
struct One {
  static constexpr std::size_t kWidth = 1;
  using Floats = float;
  static float Load(const float* x) { return *x; }
  static void StoreHalves(std::uint16_t* to, float x) { *to = FloatToHalf(x); }
  static void StoreBFloats(std::uint16_t* to, float x) { *to = FloatToBFloat(x); }
  static float HalfOf(std::uint16_t half) { return HalfToFloat(half); }
};

void Add(float* to, const float* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] += x[i];
}

void Rotate(const float* cosines, const float* sines, std::size_t half, bool halves, float* head) {
  const std::size_t second = halves ? half : 1, step = halves ? 1 : 2;
  for (std::size_t j = 0; j < half; ++j) {
    float& a = head[j * step];
    float& b = head[j * step + second];
    const float x = a, y = b;
    a = x * cosines[j] - y * sines[j];
    b = y * cosines[j] + x * sines[j];
  }
}

void RmsNorm(const float* x, const float* weight, std::size_t n, float epsilon, float* out) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(x[i]) * x[i];
  const auto scale =
      static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + epsilon));
  for (std::size_t i = 0; i < n; ++i) out[i] = x[i] * scale * weight[i];
}

void SiluMul(float* gate, const float* up, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void GeluMul(float* gate, const float* up, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    const float x = gate[i];
    const float inner = 0.797884560802865f * (x + 0.044715f * x * x * x);
    gate[i] = 0.5f * x * (1.0f + std::tanh(inner)) * up[i];
  }
}

}  // namespace

const QuantKernels& ScalarQuantKernels() {
  static constexpr QuantKernels kKernels = {
      "scalar",          QuantizeQ8, MulF32, MulQ8,   Attend,  simd::StoreKv<One>,
      simd::LoadKv<One>, Add,        Rotate, RmsNorm, SiluMul, GeluMul};
  return kKernels;
}

}  // namespace ragmesh::quant
