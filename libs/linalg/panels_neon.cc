// Matrix products, 128 bits wide: what turns the sums of tiles into results.
#if defined(__aarch64__)

#include <arm_neon.h>

#include <algorithm>
#include <cstring>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/tile_neon.h"

namespace ragmesh::linalg::neon {
namespace {

// The columns of one panel, and what is added to or multiplied into them; zeros for those that are
// not wanted.
struct Columns {
  explicit Columns(const PanelProduct& p) {
    if (p.bias != nullptr) std::copy_n(p.bias, p.columns, bias);
    if (p.column_scales != nullptr) std::copy_n(p.column_scales, p.columns, scale);
    if (p.column_sums != nullptr) std::copy_n(p.column_sums, p.columns, sum);
  }
  float bias[kPanelWidth] = {};
  float scale[kPanelWidth] = {};  // int8
  float sum[kPanelWidth] = {};    // int8
};

// Runs the tiles of a panel one after the other, `count` rows at a time at most.
// result(sum, r, c) makes four values of the sums of row r from column c on.
template <typename Sum, std::size_t count, typename Result>
inline void RunTiles(const PanelProduct& p, const TileFunction (&tiles)[count],
                     const Result& result) {
  alignas(64) Sum sums[count * kPanelWidth];
  for (std::size_t first = 0; first < p.rows; first += count) {
    const std::size_t rows = std::min(count, p.rows - first);
    tiles[rows - 1]({.a = static_cast<const char*>(p.a) + first * p.a_stride_bytes,
                     .a_stride = p.a_stride_bytes,
                     .b = p.panel,
                     .groups = p.groups,
                     .out = sums,
                     .out_stride = kPanelWidth * sizeof(Sum)});
    for (std::size_t r = first; r < first + rows; ++r) {
      float* const out = p.out + r * p.out_stride;
      float ragged[kPanelWidth];
      float* const to = p.columns == kPanelWidth ? out : ragged;
      for (std::size_t c = 0; c < kPanelWidth; c += 4)
        vst1q_f32(to + c, result(sums + (r - first) * kPanelWidth + c, r, c));
      if (to == ragged) std::memcpy(out, ragged, p.columns * sizeof(float));
    }
  }
}

template <std::size_t count>
inline void MultiplyBytes(const PanelProduct& p, const TileFunction (&tiles)[count]) {
  const Columns columns(p);
  RunTiles<std::int32_t>(p, tiles, [&](const std::int32_t* sum, std::size_t r, std::size_t c) {
    const QuantizedRow& row = p.quantized_rows[r];
    const float32x4_t scaled = vmulq_n_f32(vcvtq_f32_s32(vld1q_s32(sum)), row.scale);
    const float32x4_t start =
        vfmaq_n_f32(vld1q_f32(columns.bias + c), vld1q_f32(columns.sum + c), row.offset);
    return vfmaq_f32(start, scaled, vld1q_f32(columns.scale + c));
  });
}

}  // namespace

void MultiplyF32(const PanelProduct& p) {
  const Columns columns(p);
  RunTiles<float>(p, kF32Tiles, [&](const float* sum, std::size_t, std::size_t c) {
    return vaddq_f32(vld1q_f32(sum), vld1q_f32(columns.bias + c));
  });
}

void MultiplyInt8(const PanelProduct& p) { MultiplyBytes(p, kWideningTiles); }

void MultiplyInt8Dotprod(const PanelProduct& p) { MultiplyBytes(p, kDotprodTiles); }

}  // namespace ragmesh::linalg::neon

#endif  // defined(__aarch64__)
