// What turns the sums of a panel into results, 512 bits wide. Only the files of those tables
// include this.
#ifndef RAGMESH_LIBS_LINALG_PANEL_RESULTS_AVX512_H_
#define RAGMESH_LIBS_LINALG_PANEL_RESULTS_AVX512_H_

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "libs/linalg/gelu_avx512.h"
#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx512.h"

namespace ragmesh::linalg::avx512 {

// The columns of one panel that are wanted, and what is added to or multiplied into them. Sums lie
// in rows of kPanelWidth.
class PanelResults {
 public:
  RAGMESH_AVX512 explicit PanelResults(const PanelProduct& product) : p_(product) {
    for (std::size_t v = 0; v < kVectors; ++v) {
      mask_[v] = Lanes(p_.columns > 16 * v ? p_.columns - 16 * v : 0);
      bias_[v] = Load(p_.bias, v);
      scale_[v] = Load(p_.column_scales, v);
      sum_[v] = Load(p_.column_sums, v);
    }
  }

  // out = sum + bias, for `rows` rows from `first`.
  RAGMESH_AVX512 void AddBias(const float* sums, std::size_t first, std::size_t rows) const {
    for (std::size_t r = 0; r < rows; ++r, sums += kPanelWidth) {
      __m512 values[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v)
        values[v] = _mm512_add_ps(_mm512_load_ps(sums + 16 * v), bias_[v]);
      Write(values, first + r);
    }
  }

  // As PanelKernel says of int8; `sums` are of weights to which `weight_offset` was added.
  RAGMESH_AVX512 void Scale(const std::int32_t* sums, int weight_offset, std::size_t first,
                            std::size_t rows) const {
    for (std::size_t r = 0; r < rows; ++r, sums += kPanelWidth) {
      const QuantizedRow& row = p_.quantized_rows[first + r];
      const __m512i excess = _mm512_set1_epi32(weight_offset * row.sum);
      const __m512 scale = _mm512_set1_ps(row.scale), offset = _mm512_set1_ps(row.offset);
      __m512 values[kVectors];
      for (std::size_t v = 0; v < kVectors; ++v) {
        const __m512i sum = _mm512_sub_epi32(_mm512_load_si512(sums + 16 * v), excess);
        const __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
        values[v] = _mm512_fmadd_ps(scaled, scale_[v], _mm512_fmadd_ps(offset, sum_[v], bias_[v]));
      }
      Write(values, first + r);
    }
  }

 private:
  static constexpr std::size_t kVectors = kPanelWidth / 16;

  RAGMESH_AVX512 __m512 Load(const float* from, std::size_t v) const {
    return from == nullptr ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(mask_[v], from + 16 * v);
  }
  RAGMESH_AVX512 inline void Write(const __m512 (&values)[kVectors], std::size_t row) const {
    float* const out = p_.out + row * p_.out_stride;
    if (p_.columns == kPanelWidth) {
      for (std::size_t v = 0; v < kVectors; ++v) _mm512_storeu_ps(out + 16 * v, values[v]);
    } else {
      for (std::size_t v = 0; v < kVectors; ++v)
        _mm512_mask_storeu_ps(out + 16 * v, mask_[v], values[v]);
    }
  }
  const PanelProduct& p_;
  __mmask16 mask_[kVectors];
  __m512 bias_[kVectors];
  __m512 scale_[kVectors];  // int8
  __m512 sum_[kVectors];    // int8
};

// GELU of results that were just written: the registers that know its curve are too many to have
// beside those of the product.
RAGMESH_AVX512 inline void GeluOf(const PanelProduct& p) {
  const GeluPieces pieces;
  for (std::size_t r = 0; r < p.rows; ++r) {
    float* const out = p.out + r * p.out_stride;
    ForVectors<4>(p.columns, [&](std::size_t i, auto lanes, int) RAGMESH_AVX512 {
      lanes.Store(out + i, pieces.Gelu(lanes.Load(out + i)));
    });
  }
}

}  // namespace ragmesh::linalg::avx512

#endif  // RAGMESH_LIBS_LINALG_PANEL_RESULTS_AVX512_H_
