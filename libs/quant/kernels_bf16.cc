// AVX-512 with dot products of bf16 pairs, twice the rate of f32: attention alone. The rest is that
// of the table with VNNI.
#include "libs/quant/kernels.h"

#if defined(__x86_64__)

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
