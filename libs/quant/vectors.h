// The small vector operations between a decoder's products, written once for vectors of any width;
// see products.h for how a table takes them in. Besides what attention uses, `Simd` has
//
//   LoadTwice(x)          x[0], x[0], x[1], x[1] and so on
//   SwapPairs(v)          lanes 1, 0, 3, 2 and so on
//   SubAdd(a, b)          a - b in even lanes, a + b in odd ones
#ifndef RAGMESH_LIBS_QUANT_VECTORS_H_
#define RAGMESH_LIBS_QUANT_VECTORS_H_

#ifndef RAGMESH_SIMD_TARGET
#error "define RAGMESH_SIMD_TARGET, the attribute of the instruction set, before including this"
#endif

#include <cstddef>

#include "libs/quant/kernels.h"
#include "libs/quant/products.h"

namespace ragmesh::quant::simd {

template <typename S>
RAGMESH_SIMD_TARGET void Add(float* to, const float* x, std::size_t n) {
  std::size_t i = 0;
  for (; i + S::kWidth <= n; i += S::kWidth)
    S::Store(to + i, S::Add(S::Load(to + i), S::Load(x + i)), S::kWidth);
  ScalarQuantKernels().add(to + i, x + i, n - i);
}

template <typename S>
RAGMESH_SIMD_TARGET void SiluMul(float* gate, const float* up, std::size_t n) {
  const typename S::Floats one = S::Set(1);
  std::size_t i = 0;
  for (; i + S::kWidth <= n; i += S::kWidth) {
    const typename S::Floats g = S::Load(gate + i);
    const typename S::Floats e = S::Exp(S::Sub(S::Zero(), g));
    S::Store(gate + i, S::Mul(S::Div(g, S::Add(one, e)), S::Load(up + i)), S::kWidth);
  }
  ScalarQuantKernels().silu_mul(gate + i, up + i, n - i);
}

// 0.5 x (1 + tanh(u)) is x / (1 + exp(-2u)).
template <typename S>
RAGMESH_SIMD_TARGET void GeluMul(float* gate, const float* up, std::size_t n) {
  const typename S::Floats one = S::Set(1), cubic = S::Set(0.044715f),
                           minus_twice = S::Set(-2 * 0.797884560802865f);
  std::size_t i = 0;
  for (; i + S::kWidth <= n; i += S::kWidth) {
    const typename S::Floats x = S::Load(gate + i);
    const typename S::Floats inner = S::Fma(S::Mul(S::Mul(x, x), cubic), x, x);
    const typename S::Floats e = S::Exp(S::Mul(inner, minus_twice));
    S::Store(gate + i, S::Mul(S::Div(x, S::Add(one, e)), S::Load(up + i)), S::kWidth);
  }
  ScalarQuantKernels().gelu_mul(gate + i, up + i, n - i);
}

template <typename S>
RAGMESH_SIMD_TARGET void Rotate(const float* cosines, const float* sines, std::size_t half,
                                bool halves, float* head) {
  using Floats = typename S::Floats;
  if (half % S::kWidth != 0) return ScalarQuantKernels().rotate(cosines, sines, half, halves, head);
  if (!halves) {
    for (std::size_t i = 0; i < 2 * half; i += S::kWidth) {
      const Floats v = S::Load(head + i);
      S::Store(head + i,
               S::SubAdd(S::Mul(v, S::LoadTwice(cosines + i / 2)),
                         S::Mul(S::SwapPairs(v), S::LoadTwice(sines + i / 2))),
               S::kWidth);
    }
    return;
  }
  for (std::size_t j = 0; j < half; j += S::kWidth) {
    const Floats a = S::Load(head + j), b = S::Load(head + half + j), c = S::Load(cosines + j),
                 s = S::Load(sines + j);
    S::Store(head + j, S::Sub(S::Mul(a, c), S::Mul(b, s)), S::kWidth);
    S::Store(head + half + j, S::Add(S::Mul(b, c), S::Mul(a, s)), S::kWidth);
  }
}

}  // namespace ragmesh::quant::simd

#endif  // RAGMESH_LIBS_QUANT_VECTORS_H_
