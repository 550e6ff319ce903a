// AVX-512 with dot products of bf16 pairs, twice the rate of f32: attention, and what keeps keys
// and values for it. The rest is that of the table with VNNI.
#include "libs/quant/kernels.h"

#if defined(__x86_64__)

#include <algorithm>
#include <cstring>

#include "libs/linalg/cpu_features.h"
#include "libs/quant/simd_avx512.h"

#define RAGMESH_SIMD_TARGET __attribute__((target(RAGMESH_VNNI_FEATURES ",avx512bf16")))
#include "libs/quant/attention.h"
#include "libs/quant/kv_rows.h"

namespace ragmesh::quant {
namespace {

struct Bf16Simd : Avx512Simd {
  static RAGMESH_SIMD_INLINE void StoreBFloats(std::uint16_t* to, Floats v) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(v));
  }
  static RAGMESH_SIMD_INLINE Floats DotPairs(Floats sum, Ints a, std::uint32_t b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)_mm512_set1_epi32(static_cast<int>(b)));
  }
};

// Sixteen pairs of bf16, as floats apart.
struct Pairs {
  __m512 first, second;
};

RAGMESH_SIMD_INLINE Pairs LoadPairs(const std::uint32_t* from, __mmask16 lanes) {
  const __m512i pairs = _mm512_maskz_loadu_epi32(lanes, from);
  return {_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)),
          _mm512_castsi512_ps(
              _mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))};
}

RAGMESH_SIMD_INLINE void StorePairs(std::uint32_t* to, __mmask16 lanes, const Pairs& pairs) {
  const __m512i first = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(pairs.first)),
                second = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(pairs.second));
  _mm512_mask_storeu_epi32(to, lanes, _mm512_or_si512(first, _mm512_slli_epi32(second, 16)));
}

// x, y become x c - y s, y c + x s.
RAGMESH_SIMD_INLINE void Turn(float cosine, float sine, __m512* x, __m512* y) {
  const __m512 c = _mm512_set1_ps(cosine), s = _mm512_set1_ps(sine), a = *x, b = *y;
  *x = _mm512_sub_ps(_mm512_mul_ps(a, c), _mm512_mul_ps(b, s));
  *y = _mm512_add_ps(_mm512_mul_ps(b, c), _mm512_mul_ps(a, s));
}

// Positions are lanes: each line of keys has two dimensions of all of them.
RAGMESH_SIMD_TARGET void CopyKeys(const KvCopy& copy) {
  const auto* from = reinterpret_cast<const std::uint32_t*>(copy.from) + copy.from_slot;
  auto* to = reinterpret_cast<std::uint32_t*>(copy.to) + copy.to_slot;
  for (std::size_t p = 0; p < copy.count; p += 16) {
    const auto lanes =
        static_cast<__mmask16>((1u << std::min<std::size_t>(16, copy.count - p)) - 1);
    const auto line = [&](std::size_t d) { return d / 2 * kBlockPositions + p; };
    for (std::size_t d = 0; copy.halves && d < copy.half; d += 2) {
      Pairs a = LoadPairs(from + line(d), lanes), b = LoadPairs(from + line(d + copy.half), lanes);
      Turn(copy.cosines[d], copy.sines[d], &a.first, &b.first);
      Turn(copy.cosines[d + 1], copy.sines[d + 1], &a.second, &b.second);
      StorePairs(to + line(d), lanes, a);
      StorePairs(to + line(d + copy.half), lanes, b);
    }
    for (std::size_t d = 0; !copy.halves && d < 2 * copy.half; d += 2) {
      Pairs pair = LoadPairs(from + line(d), lanes);
      Turn(copy.cosines[d / 2], copy.sines[d / 2], &pair.first, &pair.second);
      StorePairs(to + line(d), lanes, pair);
    }
    for (std::size_t d = 2 * copy.half; d < copy.head_dim; d += 2)
      StorePairs(to + line(d), lanes, LoadPairs(from + line(d), lanes));
  }
}

// Positions stand in pairs: those of an even distance move with their neighbour, of an odd one each
// goes to the other place of a pair.
RAGMESH_SIMD_TARGET void CopyValues(const KvCopy& copy) {
  const KvLayout layout(copy.type, copy.head_dim);
  const std::size_t dims = layout.padded_dim;
  const auto* from = reinterpret_cast<const std::uint32_t*>(copy.from + layout.values);
  auto* to = reinterpret_cast<std::uint32_t*>(copy.to + layout.values);
  const std::size_t end = copy.to_slot + copy.count;
  for (std::size_t slot = copy.to_slot; slot < end;) {
    const std::size_t source = copy.from_slot + (slot - copy.to_slot);
    const bool both = slot % 2 == 0 && slot + 1 < end;
    const std::uint32_t* a = from + source / 2 * dims;
    const std::uint32_t* b = from + (source + 1) / 2 * dims;
    std::uint32_t* out = to + slot / 2 * dims;
    for (std::size_t d = 0; d < dims; d += 16) {
      const __m512i first = _mm512_loadu_si512(a + d);
      __m512i moved;  // the position in the first place, and in the second the next, if any
      if (both) {
        const __m512i second = _mm512_loadu_si512(b + d);
        moved = source % 2 == 0
                    ? first
                    : _mm512_or_si512(_mm512_srli_epi32(first, 16), _mm512_slli_epi32(second, 16));
        _mm512_storeu_si512(out + d, moved);
        continue;
      }
      const __m512i value =
          source % 2 == 0
              ? _mm512_slli_epi32(first, 16)
              : _mm512_and_si512(first, _mm512_set1_epi32(static_cast<int>(0xffff0000u)));
      const __m512i there = _mm512_loadu_si512(out + d);
      moved = slot % 2 == 0
                  ? _mm512_or_si512(
                        _mm512_srli_epi32(value, 16),
                        _mm512_and_si512(there, _mm512_set1_epi32(static_cast<int>(0xffff0000u))))
                  : _mm512_or_si512(value, _mm512_and_si512(there, _mm512_set1_epi32(0xffff)));
      _mm512_storeu_si512(out + d, moved);
    }
    slot += both ? 2 : 1;
  }
}

void CopyPairs(const KvCopy& copy) {
  CopyKeys(copy);
  CopyValues(copy);
}

}  // namespace

const QuantKernels* Avx512Bf16QuantKernels() {
  static const QuantKernels* const kernels = []() -> const QuantKernels* {
    const QuantKernels* vnni = Avx512QuantKernels();
    if (vnni == nullptr || !linalg::GetCpuFeatures().avx512_bf16) return nullptr;
    static QuantKernels table = *vnni;
    table.name = "avx512-bf16";
    table.attend = simd::Attend<Bf16Simd>;
    table.store_kv = simd::StoreKv<Bf16Simd>;
    table.load_kv = simd::LoadKv<Bf16Simd>;
    table.copy_pairs = CopyPairs;
    table.kv_type = KvType::kBF16;
    return &table;
  }();
  return kernels;
}

}  // namespace ragmesh::quant

#else

namespace ragmesh::quant {
const QuantKernels* Avx512Bf16QuantKernels() { return nullptr; }
}  // namespace ragmesh::quant

#endif
