// The tables by instruction set and the parts they are put together from. Only kernels.cc and the
// files that define these include this.
#ifndef RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_
#define RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_

#include <algorithm>
#include <cmath>
#include <limits>

#include "libs/linalg/kernels.h"

namespace ragmesh::linalg {

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;        // needs CpuFeatures::avx2
extern const Kernels kAvx2VnniKernels;    // needs CpuFeatures::avx_vnni too
extern const Kernels kAvx512Kernels;      // needs CpuFeatures::avx512
extern const Kernels kAvx512VnniKernels;  // needs CpuFeatures::avx512_vnni too
extern const Kernels kAvx512Bf16Kernels;  // needs CpuFeatures::avx512_bf16 too
extern const Kernels kAmxKernels;         // needs CpuFeatures::amx
#elif defined(__aarch64__)
extern const Kernels kNeonKernels;
extern const Kernels kNeonDotprodKernels;  // needs CpuFeatures::neon_dotprod
#endif

// A product for tables that have no way to take GELU of results before they are written.
template <void (*multiply)(const PanelProduct&), void (*gelu)(float*, std::size_t)>
void ThenGelu(const PanelProduct& product) {
  multiply(product);
  for (std::size_t r = 0; product.gelu && r < product.rows; ++r)
    gelu(product.out + r * product.out_stride, product.columns);
}

// What Kernels::quantize makes of the extremes of a row; `no_nan` when no value is NaN. Value v
// becomes the byte nearest to fma(v, factor, shift).
struct QuantizeRange {
  QuantizeRange(float lowest, float highest, bool no_nan) {
    const float spread = highest - lowest;
    const float largest = std::max(std::fabs(lowest), std::fabs(highest));
    if (!no_nan || !(spread <= std::numeric_limits<float>::max()) ||
        !(largest <= std::numeric_limits<float>::max())) {
      scale = offset = std::numeric_limits<float>::quiet_NaN();
      return;
    }
    // + 0: tables may find either of two zeros of different sign.
    offset = 0.5f * highest + 0.5f * lowest + 0.0f;
    // Below this the rounding of the offset would be felt, and byte values would overflow.
    if (!(spread > largest * 0x1p-14f) || !(254 / spread <= std::numeric_limits<float>::max()))
      return;
    scale = spread / 254;
    factor = 254 / spread;
    shift = -offset * factor;
  }
  float scale = 0;
  float offset = 0;
  float factor = 0;  // 0: every byte is 0
  float shift = 0;
};

namespace scalar {
void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks, const float* bases,
               std::size_t count, float* estimates, float* maxima);
std::uint64_t Above(const float* values, float bar);
std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n);
void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
               const std::uint32_t* which, std::size_t count, std::size_t n, std::int32_t* out);
void Quantize(const float* x, const float* factors, std::size_t n, std::int8_t* out,
              QuantizedRow* row);
void ToBf16(const float* x, std::size_t n, std::uint16_t* out);
std::size_t AttentionBytes(std::size_t tokens, std::size_t width);
void Attend(const Attention& head);
}  // namespace scalar

#if defined(__x86_64__)
namespace avx2 {
inline constexpr std::size_t kPanelWidth = 16;
inline constexpr int kVnniWeightOffset = 128;  // as avx512::kVnniWeightOffset
void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks, const float* bases,
               std::size_t count, float* estimates, float* maxima);
std::uint64_t Above(const float* values, float bar);
std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n);
void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
               const std::uint32_t* which, std::size_t count, std::size_t n, std::int32_t* out);
void Gelu(float* x, std::size_t n);
void AddLayerNorm(const float* update, const float* gain, const float* offset, float epsilon,
                  float* x, std::size_t n);
void Quantize(const float* x, const float* factors, std::size_t n, std::int8_t* out,
              QuantizedRow* row);
void ToBf16(const float* x, std::size_t n, std::uint16_t* out);
void MultiplyF32(const PanelProduct& product);
void MultiplyInt8(const PanelProduct& product);
void MultiplyInt8Vnni(const PanelProduct& product);
std::size_t AttentionBytes(std::size_t tokens, std::size_t width);
void Attend(const Attention& head);
}  // namespace avx2

namespace avx512 {
inline constexpr std::size_t kPanelWidth = 64;
// vpdpbusd takes the weights as unsigned bytes, which leaves the activations, read by broadcast,
// their sign.
inline constexpr int kVnniWeightOffset = 128;
void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks, const float* bases,
               std::size_t count, float* estimates, float* maxima);
std::uint64_t Above(const float* values, float bar);
std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n);
void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
               const std::uint32_t* which, std::size_t count, std::size_t n, std::int32_t* out);
void DotListedVnni(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
                   const std::uint32_t* which, std::size_t count, std::size_t n, std::int32_t* out);
void Gelu(float* x, std::size_t n);
void AddLayerNorm(const float* update, const float* gain, const float* offset, float epsilon,
                  float* x, std::size_t n);
void Quantize(const float* x, const float* factors, std::size_t n, std::int8_t* out,
              QuantizedRow* row);
void ToBf16(const float* x, std::size_t n, std::uint16_t* out);
void MultiplyF32(const PanelProduct& product);
void MultiplyBf16(const PanelProduct& product);
void MultiplyInt8(const PanelProduct& product);
void MultiplyInt8Vnni(const PanelProduct& product);
std::size_t AttentionBytesF32(std::size_t tokens, std::size_t width);
std::size_t AttentionBytesBf16(std::size_t tokens, std::size_t width);
void AttendF32(const Attention& head);
void AttendBf16(const Attention& head);
}  // namespace avx512

namespace amx {
// Panels are those of avx512, with its kVnniWeightOffset.
void MultiplyInt8(const PanelProduct& product);
void MultiplyBf16(const PanelProduct& product);
}  // namespace amx
#elif defined(__aarch64__)
namespace neon {
void ScanSigns(const SignScan& scan, const std::uint8_t* const* blocks, const float* bases,
               std::size_t count, float* estimates, float* maxima);
std::uint64_t Above(const float* values, float bar);
std::int32_t DotInt8(const std::int8_t* a, const std::int8_t* b, std::size_t n);
void DotListed(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
               const std::uint32_t* which, std::size_t count, std::size_t n, std::int32_t* out);
std::int32_t DotInt8Dotprod(const std::int8_t* a, const std::int8_t* b, std::size_t n);
void DotListedDotprod(const std::int8_t* query, const std::int8_t* rows, std::size_t stride,
                      const std::uint32_t* which, std::size_t count, std::size_t n,
                      std::int32_t* out);
void Gelu(float* x, std::size_t n);
void AddLayerNorm(const float* update, const float* gain, const float* offset, float epsilon,
                  float* x, std::size_t n);
void Quantize(const float* x, const float* factors, std::size_t n, std::int8_t* out,
              QuantizedRow* row);
void ToBf16(const float* x, std::size_t n, std::uint16_t* out);
void MultiplyF32(const PanelProduct& product);
void MultiplyInt8(const PanelProduct& product);
void MultiplyInt8Dotprod(const PanelProduct& product);
std::size_t AttentionBytes(std::size_t tokens, std::size_t width);
void Attend(const Attention& head);
}  // namespace neon
#endif

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_
