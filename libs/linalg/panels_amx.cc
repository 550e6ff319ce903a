// Matrix products in the tile registers of AMX; what turns sums into results is 512 bits wide.
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include "libs/linalg/panels_amx.h"

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/panel_results_avx512.h"

namespace ragmesh::linalg::amx {
namespace {

// Signed activations by unsigned weights, as vpdpbusd takes them.
struct Int8Tiles : TileRegisters {
  template <int c, int a, int b>
  void Dot() {
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
  }
};

struct Bf16Tiles : TileRegisters {
  template <int c, int a, int b>
  void Dot() {
    asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
  }
};

static_assert(kPanelWidth == avx512::kPanelWidth);

}  // namespace

RAGMESH_AVX512 void MultiplyInt8(const PanelProduct& p) {
  const avx512::PanelResults results(p);
  Int8Tiles tiles;
  MultiplyPanel<std::int32_t>(
      p, tiles, [&](const std::int32_t* sums, std::size_t first, std::size_t rows) RAGMESH_AVX512 {
        results.Scale(sums, avx512::kVnniWeightOffset, first, rows);
      });
  if (p.gelu) avx512::GeluOf(p);
}

RAGMESH_AVX512 void MultiplyBf16(const PanelProduct& p) {
  const avx512::PanelResults results(p);
  Bf16Tiles tiles;
  MultiplyPanel<float>(p, tiles,
                       [&](const float* sums, std::size_t first, std::size_t rows)
                           RAGMESH_AVX512 { results.AddBias(sums, first, rows); });
  if (p.gelu) avx512::GeluOf(p);
}

}  // namespace ragmesh::linalg::amx

#endif  // defined(__x86_64__)
