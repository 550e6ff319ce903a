// What happens to a row of activations between two products, 128 bits wide: GELU, layer norm,
// rounding to fewer bits.
#if defined(__aarch64__)

#include <arm_neon.h>

#include <cmath>
#include <limits>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_neon.h"

namespace ragmesh::linalg::neon {
namespace {

// x * Phi(x) with Phi(x) = erfc(-x / sqrt 2) / 2 and, by Abramowitz and Stegun 7.1.26 (1.5e-7),
// erfc(z) = t * (a1 + t * (...)) * e^(-z^2), t = 1 / (1 + p z).
inline float32x4_t GeluOf(float32x4_t x) {
  const float32x4_t one = vdupq_n_f32(1.0f);
  const float32x4_t t = vdivq_f32(one, vfmaq_n_f32(one, vabsq_f32(x), 0.3275911f * 0.70710678f));
  float32x4_t p = vdupq_n_f32(0.5f * 1.061405429f);
  for (const float a : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f})
    p = vfmaq_f32(vdupq_n_f32(0.5f * a), p, t);
  const float32x4_t power = Exp2(vmulq_n_f32(vmulq_f32(x, x), -0.5f * 1.44269504f));
  // Phi(-|x|); the other side is 1 less it.
  const float32x4_t tail = vmulq_f32(vmulq_f32(p, t), power);
  const uint32x4_t negative = vcltzq_s32(vreinterpretq_s32_f32(x));
  return vmulq_f32(x, vbslq_f32(negative, tail, vsubq_f32(one, tail)));
}

}  // namespace

void Gelu(float* x, std::size_t n) {
  ForVectors(n,
             [&](std::size_t i, auto count) { Store(x + i, GeluOf(Load(x + i, count)), count); });
}

void AddLayerNorm(const float* update, const float* gain, const float* offset, float epsilon,
                  float* x, std::size_t n) {
  float32x4_t sum = vdupq_n_f32(0);
  ForVectors(n, [&](std::size_t i, auto count) {
    float32x4_t value = Load(x + i, count);
    if (update != nullptr) {
      value = vaddq_f32(value, Load(update + i, count));
      Store(x + i, value, count);
    }
    sum = vaddq_f32(sum, value);
  });
  const float32x4_t mean = vdupq_n_f32(vaddvq_f32(sum) / static_cast<float>(n));
  float32x4_t squares = vdupq_n_f32(0);
  ForVectors(n, [&](std::size_t i, auto count) {
    const float32x4_t centred = Select(vsubq_f32(Load(x + i, count), mean), vdupq_n_f32(0), count);
    squares = vfmaq_f32(squares, centred, centred);
  });
  const float inverse = 1.0f / std::sqrt(vaddvq_f32(squares) / static_cast<float>(n) + epsilon);
  ForVectors(n, [&](std::size_t i, auto count) {
    const float32x4_t scaled = vmulq_n_f32(vsubq_f32(Load(x + i, count), mean), inverse);
    Store(x + i, vfmaq_f32(Load(offset + i, count), scaled, Load(gain + i, count)), count);
  });
}

void Quantize(const float* x, const float* factors, std::size_t n, std::int8_t* out,
              QuantizedRow* row) {
  const auto value = [&](std::size_t i, auto count) {
    const float32x4_t v = Load(x + i, count);
    return factors == nullptr ? v : vmulq_f32(v, Load(factors + i, count));
  };
  // A NaN spreads to both extremes.
  const float limit = n == 0 ? 0 : std::numeric_limits<float>::infinity();
  float32x4_t lowest = vdupq_n_f32(limit), highest = vdupq_n_f32(-limit);
  ForVectors(n, [&](std::size_t i, auto count) {
    const float32x4_t v = value(i, count);
    lowest = vminq_f32(lowest, Select(v, lowest, count));
    highest = vmaxq_f32(highest, Select(v, highest, count));
  });
  const QuantizeRange range(vminvq_f32(lowest), vmaxvq_f32(highest),
                            !std::isnan(vminvq_f32(lowest)));
  const float32x4_t shift = vdupq_n_f32(range.shift), zero = vdupq_n_f32(0);
  int32x4_t total = vdupq_n_s32(0);
  ForVectors(n, [&](std::size_t i, auto count) {
    // With a factor of 0 all of these are 0 or NaN, and the conversion makes 0 of a NaN.
    const float32x4_t v = vfmaq_n_f32(shift, value(i, count), range.factor);
    const int32x4_t rounded = vcvtnq_s32_f32(Select(v, zero, count));
    total = vaddq_s32(total, rounded);
    const int16x4_t half = vmovn_s32(rounded);
    const int8x8_t bytes = vmovn_s16(vcombine_s16(half, half));
    std::memcpy(out + i, &bytes, count);
  });
  *row = {.scale = range.scale, .offset = range.offset, .sum = vaddvq_s32(total)};
}

void ToBf16(const float* x, std::size_t n, std::uint16_t* out) {
  ForVectors(n, [&](std::size_t i, auto count) {
    const float32x4_t value = Load(x + i, count);
    const uint32x4_t bits = vreinterpretq_u32_f32(value);
    const uint32x4_t odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(bits, vaddq_u32(odd, vdupq_n_u32(0x7FFF)));
    const uint32x4_t number = vceqq_f32(value, value);
    const uint16x4_t result = vshrn_n_u32(vbslq_u32(number, rounded, vdupq_n_u32(0x7FC00000)), 16);
    std::memcpy(out + i, &result, count * sizeof(std::uint16_t));
  });
}

}  // namespace ragmesh::linalg::neon

#endif  // defined(__aarch64__)
