// Attention, 128 bits wide. Keys and values are packed once a head, as weights are; then six
// queries at a time: a tile for 16 keys of the scores, a softmax, a tile for 16 columns of the
// result. The scores of six rows stay in the nearest cache.
#if defined(__aarch64__)

#include <arm_neon.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_neon.h"
#include "libs/linalg/tile_neon.h"

namespace ragmesh::linalg::neon {
namespace {

constexpr std::size_t Panels(std::size_t columns) {
  return (columns + kPanelWidth - 1) / kPanelWidth;
}

// Where the parts of the scratch memory begin, in floats.
struct Layout {
  Layout(std::size_t tokens, std::size_t width)
      : key_panel(width * kPanelWidth),
        value_panel(tokens * kPanelWidth),
        score_stride(Panels(tokens) * kPanelWidth),
        values(Panels(tokens) * key_panel),
        scores(values + Panels(width) * value_panel),
        end(scores + kTileRows * score_stride) {}
  std::size_t key_panel, value_panel, score_stride;  // sizes
  std::size_t values, scores, end;                   // keys are at 0
};

// Lane l of vector v goes to lane v of vector l.
inline void Transpose(float32x4_t (&v)[4]) {
  const float32x4_t even[2] = {vtrn1q_f32(v[0], v[1]), vtrn1q_f32(v[2], v[3])};
  const float32x4_t odd[2] = {vtrn2q_f32(v[0], v[1]), vtrn2q_f32(v[2], v[3])};
  const auto low = [](const float32x4_t(&pair)[2]) {
    return vcombine_f32(vget_low_f32(pair[0]), vget_low_f32(pair[1]));
  };
  const auto high = [](const float32x4_t(&pair)[2]) {
    return vcombine_f32(vget_high_f32(pair[0]), vget_high_f32(pair[1]));
  };
  v[0] = low(even), v[1] = low(odd), v[2] = high(even), v[3] = high(odd);
}

// Value i of key u goes to panel u / 16, group i, column u % 16; zeros behind the last key.
void PackKeys(const Attention& head, const Layout& layout, float* keys) {
  for (std::size_t first = 0; first < layout.score_stride; first += 4) {
    float* panel = keys + first / kPanelWidth * layout.key_panel + first % kPanelWidth;
    ForVectors(head.width, [&](std::size_t i, auto count) {
      float32x4_t block[4];
      for (std::size_t u = 0; u < 4; ++u) {
        block[u] = first + u < head.tokens ? Load(head.keys + (first + u) * head.stride + i, count)
                                           : vdupq_n_f32(0);
      }
      Transpose(block);
      for (std::size_t l = 0; l < count; ++l) vst1q_f32(panel + (i + l) * kPanelWidth, block[l]);
    });
  }
}

// Value i of token u goes to panel i / 16, group u, column i % 16; zeros behind the last column.
void PackValues(const Attention& head, float* values) {
  for (std::size_t first = 0; first < head.width; first += kPanelWidth) {
    const std::size_t columns = std::min(kPanelWidth, head.width - first);
    for (std::size_t u = 0; u < head.tokens; ++u, values += kPanelWidth) {
      std::memcpy(values, head.values + u * head.stride + first, columns * sizeof(float));
      std::fill(values + columns, values + kPanelWidth, 0.0f);
    }
  }
}

// scores[i] becomes e^(scale * (scores[i] - the largest of them)); 1 / the sum of those.
float Powers(float scale, std::size_t tokens, float* scores) {
  float32x4_t max = vdupq_n_f32(-INFINITY);
  ForVectors(tokens, [&](std::size_t i, auto count) {
    max = vmaxq_f32(max, Select(Load(scores + i, count), max, count));
  });
  const float32x4_t top = vdupq_n_f32(vmaxvq_f32(max));
  const float factor = scale * 1.44269504f;
  float32x4_t sum = vdupq_n_f32(0);
  ForVectors(tokens, [&](std::size_t i, auto count) {
    const float32x4_t below = vsubq_f32(Load(scores + i, count), top);
    const float32x4_t power = Exp2(vmulq_n_f32(below, factor));
    sum = vaddq_f32(sum, Select(power, vdupq_n_f32(0), count));
    Store(scores + i, power, count);
  });
  return 1.0f / vaddvq_f32(sum);
}

}  // namespace

std::size_t AttentionBytes(std::size_t tokens, std::size_t width) {
  return Layout(tokens, width).end * sizeof(float);
}

void Attend(const Attention& head) {
  const Layout layout(head.tokens, head.width);
  float* const keys = static_cast<float*>(head.scratch);
  float* const values = keys + layout.values;
  float* const scores = keys + layout.scores;
  PackKeys(head, layout, keys);
  PackValues(head, values);
  for (std::size_t first = 0; first < head.tokens; first += kTileRows) {
    const std::size_t rows = std::min(kTileRows, head.tokens - first);
    for (std::size_t panel = 0; panel < Panels(head.tokens); ++panel) {
      kF32Tiles[rows - 1]({.a = head.queries + first * head.stride,
                           .a_stride = head.stride * sizeof(float),
                           .b = keys + panel * layout.key_panel,
                           .groups = head.width,
                           .out = scores + panel * kPanelWidth,
                           .out_stride = layout.score_stride * sizeof(float)});
    }
    float inverse[kTileRows];
    for (std::size_t r = 0; r < rows; ++r)
      inverse[r] = Powers(head.scale, head.tokens, scores + r * layout.score_stride);
    for (std::size_t panel = 0; panel < Panels(head.width); ++panel) {
      alignas(64) float sums[kTileRows * kPanelWidth];
      kF32Tiles[rows - 1]({.a = scores,
                           .a_stride = layout.score_stride * sizeof(float),
                           .b = values + panel * layout.value_panel,
                           .groups = head.tokens,
                           .out = sums,
                           .out_stride = kPanelWidth * sizeof(float)});
      const std::size_t column = panel * kPanelWidth;
      for (std::size_t r = 0; r < rows; ++r) {
        float* const out = head.out + (first + r) * head.out_stride + column;
        ForVectors(std::min(kPanelWidth, head.width - column), [&](std::size_t c, auto count) {
          const float32x4_t sum = vld1q_f32(sums + r * kPanelWidth + c);
          Store(out + c, vmulq_n_f32(sum, inverse[r]), count);
        });
      }
    }
  }
}

}  // namespace ragmesh::linalg::neon

#endif  // defined(__aarch64__)
