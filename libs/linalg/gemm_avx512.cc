// Matrix products, 512 bits wide: 12 rows by 32 columns of the result stay in registers while the
// inputs go by.
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <algorithm>

#include "libs/linalg/kernel_tables.h"

#define RAGMESH_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))

namespace ragmesh::linalg::avx512 {
namespace {

constexpr std::size_t kWidth = 32;
constexpr std::size_t kRows = 12;  // 24 sums, 2 columns and 1 value: 27 of 32 registers

RAGMESH_AVX512 inline __mmask16 Mask(std::size_t columns) {
  return columns >= 16 ? __mmask16{0xFFFF} : static_cast<__mmask16>((1u << columns) - 1);
}

RAGMESH_AVX512 inline void LoadPair(const float* from, std::size_t columns, __m512* pair) {
  pair[0] = _mm512_maskz_loadu_ps(Mask(columns), from);
  pair[1] =
      columns > 16 ? _mm512_maskz_loadu_ps(Mask(columns - 16), from + 16) : _mm512_setzero_ps();
}

RAGMESH_AVX512 inline void StorePair(const __m512* pair, std::size_t columns, float* to) {
  _mm512_mask_storeu_ps(to, Mask(columns), pair[0]);
  if (columns > 16) _mm512_mask_storeu_ps(to + 16, Mask(columns - 16), pair[1]);
}

// Every value is one chain of multiply-adds over the inputs, whatever the number of rows.
template <std::size_t rows>
RAGMESH_AVX512 inline void Tile(const float* a, std::size_t a_stride, std::size_t inputs,
                                const float* panel, const float* bias, std::size_t columns,
                                float* out, std::size_t out_stride) {
  __m512 sums[rows][2];
  __m512 start[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
  if (bias != nullptr) LoadPair(bias, columns, start);
  for (std::size_t r = 0; r < rows; ++r) sums[r][0] = start[0], sums[r][1] = start[1];
  for (std::size_t i = 0; i < inputs; ++i) {
    const __m512 left = _mm512_loadu_ps(panel + i * kWidth);
    const __m512 right = _mm512_loadu_ps(panel + i * kWidth + kWidth / 2);
#pragma GCC unroll 16
    for (std::size_t r = 0; r < rows; ++r) {
      const __m512 value = _mm512_set1_ps(a[r * a_stride + i]);
      sums[r][0] = _mm512_fmadd_ps(value, left, sums[r][0]);
      sums[r][1] = _mm512_fmadd_ps(value, right, sums[r][1]);
    }
  }
  for (std::size_t r = 0; r < rows; ++r) StorePair(sums[r], columns, out + r * out_stride);
}

RAGMESH_AVX512 void TileOf(std::size_t rows, const float* a, std::size_t a_stride,
                           std::size_t inputs, const float* panel, const float* bias,
                           std::size_t columns, float* out, std::size_t out_stride) {
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
    case 6:
      return Tile<6>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 7:
      return Tile<7>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 8:
      return Tile<8>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 9:
      return Tile<9>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 10:
      return Tile<10>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    case 11:
      return Tile<11>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
    default:
      return Tile<kRows>(a, a_stride, inputs, panel, bias, columns, out, out_stride);
  }
}

}  // namespace

RAGMESH_AVX512 void MultiplyPanel(const float* a, std::size_t a_stride, std::size_t rows,
                                  std::size_t inputs, const float* panel, const float* bias,
                                  std::size_t columns, float* out, std::size_t out_stride) {
  for (std::size_t r = 0; r < rows; r += kRows) {
    TileOf(std::min(kRows, rows - r), a + r * a_stride, a_stride, inputs, panel, bias, columns,
           out + r * out_stride, out_stride);
  }
}

}  // namespace ragmesh::linalg::avx512

#endif  // defined(__x86_64__)
