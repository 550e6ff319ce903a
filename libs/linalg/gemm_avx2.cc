// Matrix products, 256 bits wide: 6 rows by 16 columns of the result stay in registers while the
// inputs go by.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "libs/linalg/kernel_tables.h"

#define RAGMESH_AVX2 __attribute__((target("avx2,fma")))

namespace ragmesh::linalg::avx2 {
namespace {

constexpr std::size_t kWidth = 16;
constexpr std::size_t kRows = 6;  // 12 sums, 2 columns and 1 value: 15 of 16 registers

alignas(32) constexpr std::int32_t kTailMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                    0,  0,  0,  0,  0,  0,  0,  0};

RAGMESH_AVX2 inline __m256i Mask(std::size_t columns) {
  return _mm256_loadu_si256(
      reinterpret_cast<const __m256i*>(kTailMask + 8 - std::min<std::size_t>(columns, 8)));
}

RAGMESH_AVX2 inline void LoadPair(const float* from, std::size_t columns, __m256* pair) {
  pair[0] = _mm256_maskload_ps(from, Mask(columns));
  pair[1] = columns > 8 ? _mm256_maskload_ps(from + 8, Mask(columns - 8)) : _mm256_setzero_ps();
}

RAGMESH_AVX2 inline void StorePair(const __m256* pair, std::size_t columns, float* to) {
  if (columns == kWidth) {
    _mm256_storeu_ps(to, pair[0]);
    _mm256_storeu_ps(to + 8, pair[1]);
    return;
  }
  _mm256_maskstore_ps(to, Mask(columns), pair[0]);
  if (columns > 8) _mm256_maskstore_ps(to + 8, Mask(columns - 8), pair[1]);
}

// Every value is one chain of multiply-adds over the inputs, whatever the number of rows.
template <std::size_t rows>
RAGMESH_AVX2 inline void Tile(const float* a, std::size_t a_stride, std::size_t inputs,
                              const float* panel, const float* bias, std::size_t columns,
                              float* out, std::size_t out_stride) {
  __m256 sums[rows][2];
  __m256 start[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
  if (bias != nullptr) LoadPair(bias, columns, start);
  for (std::size_t r = 0; r < rows; ++r) sums[r][0] = start[0], sums[r][1] = start[1];
  for (std::size_t i = 0; i < inputs; ++i) {
    const __m256 left = _mm256_loadu_ps(panel + i * kWidth);
    const __m256 right = _mm256_loadu_ps(panel + i * kWidth + kWidth / 2);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < rows; ++r) {
      const __m256 value = _mm256_set1_ps(a[r * a_stride + i]);
      sums[r][0] = _mm256_fmadd_ps(value, left, sums[r][0]);
      sums[r][1] = _mm256_fmadd_ps(value, right, sums[r][1]);
    }
  }
  for (std::size_t r = 0; r < rows; ++r) StorePair(sums[r], columns, out + r * out_stride);
}

RAGMESH_AVX2 void TileOf(std::size_t rows, const float* a, std::size_t a_stride, std::size_t inputs,
                         const float* panel, const float* bias, std::size_t columns, float* out,
                         std::size_t out_stride) {
  switch (rows) {
    case 1:
      return Tile<1>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 2:
      return Tile<2>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 3:
      return Tile<3>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 4:
      return Tile<4>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 5:
      return Tile<5>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    default:
      return Tile<kRows>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
  }
}

}  // namespace

RAGMESH_AVX2 void MultiplyPanel(const float* a, std::size_t a_stride, std::size_t rows,
                                std::size_t inputs, const float* panel, const float* bias,
                                std::size_t columns, float* out, std::size_t out_stride) {
  for (std::size_t r = 0; r < rows; r += kRows) {
    TileOf(std::min(kRows, rows - r), a + r * a_stride, a_stride, inputs, panel, bias, columns,
           out + r * out_stride, out_stride);
  }
}

}  // namespace ragmesh::linalg::avx2

#endif  // defined(__x86_64__)
