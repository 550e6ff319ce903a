// 512-bit kernels for x86-64 with AVX-512 F, BW, DQ and VL. Tails are masked, so there is no scalar
// remainder.
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx512.h"

namespace ragmesh::linalg {
namespace {

using avx512::Lanes;
using avx512::Sum;

RAGMESH_AVX512 inline float DotInline(const float* a, const float* b, std::size_t n) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  std::size_t i = 0;
  for (; i + 64 <= n; i += 64) {
    s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
    s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
    s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
    s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
  }
  for (; i + 16 <= n; i += 16)
    s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
  if (i < n) {
    const __mmask16 mask = Lanes(n - i);
    s1 =
        _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i), s1);
  }
  return Sum(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

RAGMESH_AVX512 float Dot(const float* a, const float* b, std::size_t n) {
  return DotInline(a, b, n);
}

RAGMESH_AVX512 void DotRows(const float* query, const float* rows, std::size_t stride,
                            std::size_t count, std::size_t n, float* out) {
  constexpr std::size_t kAhead = 4;
  for (std::size_t r = 0; r < count; ++r) {
    const float* row = rows + r * stride;
    if (r + kAhead < count) {
      const char* next = reinterpret_cast<const char*>(row + kAhead * stride);
      for (std::size_t byte = 0; byte < n * sizeof(float); byte += 64)
        _mm_prefetch(next + byte, _MM_HINT_T0);
    }
    out[r] = DotInline(query, row, n);
  }
}

RAGMESH_AVX512 void AddScaled(float scale, const float* x, float* y, std::size_t n) {
  const __m512 s = _mm512_set1_ps(scale);
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = Lanes(n - i);
    const __m512 sum =
        _mm512_fmadd_ps(s, _mm512_maskz_loadu_ps(mask, x + i), _mm512_maskz_loadu_ps(mask, y + i));
    _mm512_mask_storeu_ps(y + i, mask, sum);
  }
}

RAGMESH_AVX512 void Scale(float scale, float* x, std::size_t n) {
  const __m512 s = _mm512_set1_ps(scale);
  for (std::size_t i = 0; i < n; i += 16) {
    const __mmask16 mask = Lanes(n - i);
    _mm512_mask_storeu_ps(x + i, mask, _mm512_mul_ps(s, _mm512_maskz_loadu_ps(mask, x + i)));
  }
}

constexpr Kernels MakeTable(const char* name, bool vnni, bool bf16) {
  Kernels table{.name = name,
                .dot = Dot,
                .dot_rows = DotRows,
                .dot_i8 = avx512::DotInt8,
                .dot_listed_i8 = vnni ? avx512::DotListedVnni : avx512::DotListed,
                .scan_signs = bf16 ? avx512::ScanSigns : avx2::ScanSigns,  // bf16 comes with VBMI
                .above = avx512::Above,
                .add_scaled = AddScaled,
                .scale = Scale,
                .gelu = avx512::Gelu,
                .add_layer_norm = avx512::AddLayerNorm,
                .quantize = avx512::Quantize,
                .to_bf16 = avx512::ToBf16};
  table.f32 = {.width = avx512::kPanelWidth, .group = 1, .multiply = avx512::MultiplyF32};
  table.f32_attention = {avx512::AttentionBytesF32, avx512::AttendF32};
  table.int8 = {.width = avx512::kPanelWidth,
                .group = 4,
                .weight_offset = vnni ? avx512::kVnniWeightOffset : 0,
                .multiply = vnni ? avx512::MultiplyInt8Vnni : avx512::MultiplyInt8};
  if (bf16) {
    table.bf16 = {.width = avx512::kPanelWidth, .group = 2, .multiply = avx512::MultiplyBf16};
    table.bf16_attention = {avx512::AttentionBytesBf16, avx512::AttendBf16};
  }
  return table;
}

constexpr Kernels MakeAmxTable() {
  Kernels table = MakeTable("amx", true, true);
  table.bf16.multiply = amx::MultiplyBf16;
  table.int8.multiply = amx::MultiplyInt8;
  return table;
}

}  // namespace

const Kernels kAvx512Kernels = MakeTable("avx512", false, false);
const Kernels kAvx512VnniKernels = MakeTable("avx512-vnni", true, false);
const Kernels kAvx512Bf16Kernels = MakeTable("avx512-bf16", true, true);
const Kernels kAmxKernels = MakeAmxTable();

}  // namespace ragmesh::linalg

#endif  // defined(__x86_64__)
