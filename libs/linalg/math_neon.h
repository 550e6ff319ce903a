// What the 128-bit kernels share: vectors that may lack lanes, powers of two. Only the files of
// those tables include this.
#ifndef RAGMESH_LIBS_LINALG_MATH_NEON_H_
#define RAGMESH_LIBS_LINALG_MATH_NEON_H_

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ragmesh::linalg::neon {

// How many values there are from somewhere on: a type of its own for whole vectors, so that only
// the end of a row pays for being shorter.
using Four = std::integral_constant<std::size_t, 4>;

// Calls f(i, Four()) for all whole vectors of n values, then f(i, n - i) for the rest, if any.
template <typename F>
inline void ForVectors(std::size_t n, const F& f) {
  std::size_t i = 0;
  for (; i + 4 <= n; i += 4) f(i, Four());
  if (i < n) f(i, n - i);
}

inline float32x4_t Load(const float* from, Four) { return vld1q_f32(from); }
inline void Store(float* to, float32x4_t values, Four) { vst1q_f32(to, values); }

// The first `count` lanes, which is below 4; zeros in the others.
inline float32x4_t Load(const float* from, std::size_t count) {
  float lanes[4] = {};
  std::memcpy(lanes, from, count * sizeof(float));
  return vld1q_f32(lanes);
}
inline void Store(float* to, float32x4_t values, std::size_t count) {
  float lanes[4];
  vst1q_f32(lanes, values);
  std::memcpy(to, lanes, count * sizeof(float));
}

// `values` with lanes of `others` from lane `count` on.
inline float32x4_t Select(float32x4_t values, float32x4_t /*others*/, Four) { return values; }
inline float32x4_t Select(float32x4_t values, float32x4_t others, std::size_t count) {
  constexpr std::uint32_t kLane[4] = {0, 1, 2, 3};
  const uint32x4_t there = vcltq_u32(vld1q_u32(kLane), vdupq_n_u32(count));
  return vbslq_f32(there, values, others);
}

// 2^x for x up to 127, error 2^-22; below -126 it gives 2^-126, about 1e-38. NaN stays NaN.
inline float32x4_t Exp2(float32x4_t x) {
  x = vmaxq_f32(x, vdupq_n_f32(-126.0f));
  const float32x4_t n = vrndnq_f32(x);
  const float32x4_t r = vsubq_f32(x, n);
  // The Taylor series of e^(r ln 2) to the sixth power: |r| is at most 1/2.
  float32x4_t p = vdupq_n_f32(1.5403530e-4f);
  for (const float c :
       {1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.0f})
    p = vfmaq_f32(vdupq_n_f32(c), p, r);
  // p * 2^n, by adding n to the exponent. It stays above that of denormals: p is at least 1 where n
  // is -126.
  const int32x4_t exponent = vshlq_n_s32(vcvtq_s32_f32(n), 23);
  return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), exponent));
}

}  // namespace ragmesh::linalg::neon

#endif  // RAGMESH_LIBS_LINALG_MATH_NEON_H_
