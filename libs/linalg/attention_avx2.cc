// Attention, 256 bits wide, in the order of attention_avx512.cc: keys and values are packed once a
// head, then six queries at a time go through scores, softmax and the sum of values.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx2.h"
#include "libs/linalg/tile_avx2.h"

namespace ragmesh::linalg::avx2 {
namespace {

constexpr std::size_t RoundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

// Where the parts of the scratch memory begin, in floats; keys at 0.
struct Layout {
  Layout(std::size_t tokens, std::size_t width)
      : key_groups(RoundUp(width, 8)), score_stride(RoundUp(tokens, kPanelWidth)) {
    values = key_groups * score_stride;
    scores = values + tokens * RoundUp(width, kPanelWidth);
    size = scores + kTileRows * score_stride;
  }
  std::size_t key_groups;    // of one value, in a panel of 16 keys
  std::size_t score_stride;  // scores of one query
  std::size_t values, scores, size;
};

// Keys become panels: value i of key u goes to panel u / 16, group i, column u % 16.
RAGMESH_AVX2 void PackKeys(const Attention& head, const Layout& layout, float* keys) {
  for (std::size_t first = 0; first < layout.score_stride; first += 8) {
    float* const panel =
        keys + first / kPanelWidth * layout.key_groups * kPanelWidth + first % kPanelWidth;
    for (std::size_t at = 0; at < head.width; at += 8) {
      __m256 block[8];
      for (std::size_t i = 0; i < 8; ++i) {
        block[i] = first + i < head.tokens
                       ? _mm256_maskload_ps(head.keys + (first + i) * head.stride + at,
                                            Lanes(head.width - at))
                       : _mm256_setzero_ps();
      }
      Transpose(block);
      for (std::size_t i = 0; i < 8; ++i)
        _mm256_storeu_ps(panel + (at + i) * kPanelWidth, block[i]);
    }
  }
}

// Values become panels of 16 columns, a group a token.
RAGMESH_AVX2 void PackValues(const Attention& head, float* values) {
  for (std::size_t column = 0; column < head.width; column += kPanelWidth) {
    const std::size_t left = head.width - column;
    const __m256i low = Lanes(left), high = Lanes(left > 8 ? left - 8 : 0);
    for (std::size_t u = 0; u < head.tokens; ++u, values += kPanelWidth) {
      const float* const from = head.values + u * head.stride + column;
      _mm256_storeu_ps(values, _mm256_maskload_ps(from, low));
      _mm256_storeu_ps(values + 8, _mm256_maskload_ps(from + 8, high));
    }
  }
}

// scores[i] = e^(scale * (scores[i] - max)) for i < tokens; 1 / their sum. The floats up to the
// next multiple of 8 lose what they hold.
RAGMESH_AVX2 float Powers(std::size_t tokens, float scale, float* scores) {
  const __m256 lowest = _mm256_set1_ps(-INFINITY);
  __m256 max = lowest;
  for (std::size_t i = 0; i < tokens; i += 8) {
    const __m256 lanes = _mm256_castsi256_ps(Lanes(tokens - i));
    max = _mm256_max_ps(_mm256_blendv_ps(lowest, _mm256_loadu_ps(scores + i), lanes), max);
  }
  const __m256 factor = _mm256_set1_ps(scale * 1.44269504f);
  const __m256 top = _mm256_set1_ps(Max(max));
  __m256 sum = _mm256_setzero_ps();
  for (std::size_t i = 0; i < tokens; i += 8) {
    const __m256 below = _mm256_sub_ps(_mm256_loadu_ps(scores + i), top);
    const __m256 power =
        _mm256_and_ps(Exp2(_mm256_mul_ps(below, factor)), _mm256_castsi256_ps(Lanes(tokens - i)));
    sum = _mm256_add_ps(sum, power);
    _mm256_storeu_ps(scores + i, power);
  }
  return 1.0f / Sum(sum);
}

// out[i] = sums[i] * factor for i < columns, at most 16.
RAGMESH_AVX2 void StoreScaled(const float* sums, float factor, std::size_t columns, float* out) {
  const __m256 by = _mm256_set1_ps(factor);
  const __m256 left = _mm256_mul_ps(_mm256_load_ps(sums), by);
  const __m256 right = _mm256_mul_ps(_mm256_load_ps(sums + 8), by);
  if (columns >= kPanelWidth) {
    _mm256_storeu_ps(out, left);
    _mm256_storeu_ps(out + 8, right);
  } else {
    _mm256_maskstore_ps(out, Lanes(columns), left);
    _mm256_maskstore_ps(out + 8, Lanes(columns > 8 ? columns - 8 : 0), right);
  }
}

}  // namespace

std::size_t AttentionBytes(std::size_t tokens, std::size_t width) {
  return Layout(tokens, width).size * sizeof(float);
}

RAGMESH_AVX2 void Attend(const Attention& head) {
  const Layout layout(head.tokens, head.width);
  float* const keys = static_cast<float*>(head.scratch);
  float* const values = keys + layout.values;
  float* const scores = keys + layout.scores;
  PackKeys(head, layout, keys);
  PackValues(head, values);
  for (std::size_t first = 0; first < head.tokens; first += kTileRows) {
    const std::size_t rows = std::min(kTileRows, head.tokens - first);
    for (std::size_t u = 0; u < head.tokens; u += kPanelWidth) {
      F32Tiles[rows - 1]({.a = reinterpret_cast<const char*>(head.queries + first * head.stride),
                          .a_stride = head.stride * sizeof(float),
                          .b = reinterpret_cast<const char*>(keys + u * layout.key_groups),
                          .groups = head.width,
                          .out = reinterpret_cast<char*>(scores + u),
                          .out_stride = layout.score_stride * sizeof(float)});
    }
    float inverse[kTileRows];
    for (std::size_t r = 0; r < rows; ++r)
      inverse[r] = Powers(head.tokens, head.scale, scores + r * layout.score_stride);
    for (std::size_t column = 0; column < head.width; column += kPanelWidth) {
      alignas(32) float sums[kTileRows * kPanelWidth];
      F32Tiles[rows - 1]({.a = reinterpret_cast<const char*>(scores),
                          .a_stride = layout.score_stride * sizeof(float),
                          .b = reinterpret_cast<const char*>(values + column * head.tokens),
                          .groups = head.tokens,
                          .out = reinterpret_cast<char*>(sums),
                          .out_stride = kPanelWidth * sizeof(float)});
      for (std::size_t r = 0; r < rows; ++r) {
        StoreScaled(sums + r * kPanelWidth, inverse[r], head.width - column,
                    head.out + (first + r) * head.out_stride + column);
      }
    }
  }
}

}  // namespace ragmesh::linalg::avx2

#endif  // defined(__x86_64__)
