// Tile registers for products of many rows of activations. The rest, among it the rows that fill no
// tile, is that of the table with bf16, which gives the same bits.
#include "libs/quant/kernels.h"

#if defined(__x86_64__)

#include <algorithm>

#include "libs/linalg/cpu_features.h"
#include "libs/quant/simd_avx512.h"

#define RAGMESH_SIMD_TARGET __attribute__((target(RAGMESH_VNNI_FEATURES)))
#include "libs/quant/tiles.h"

namespace ragmesh::quant {
namespace {

struct SignedTiles : linalg::amx::TileRegisters {
  template <int c, int a, int b>
  void Dot() {
    asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(c), "i"(a), "i"(b));
  }
};

RAGMESH_SIMD_TARGET void MulQ8(const QuantMatrix& weights, const Q8Rows& x, float* out,
                               std::size_t out_stride) {
  // A tile takes as long as about ten rows do in vectors.
  constexpr std::size_t kWorthATile = 12;
  const std::size_t tiles = (x.rows + kTileRows - kWorthATile) / kTileRows,
                    rows = std::min(x.rows, tiles * kTileRows);
  if (rows > 0) {
    SignedTiles registers;
    simd::MulQ8Tiles(weights, {x.tiles, rows}, out, out_stride, registers);
  }
  const Q8Rows rest{x.tiles + tiles * (weights.columns / kRunValues), x.rows - rows};
  if (rest.rows > 0)
    Avx512Bf16QuantKernels()->mul_q8(weights, rest, out + rows * out_stride, out_stride);
}

}  // namespace

const QuantKernels* AmxQuantKernels() {
  static const QuantKernels* const kernels = []() -> const QuantKernels* {
    const QuantKernels* bf16 = Avx512Bf16QuantKernels();
    if (bf16 == nullptr || !linalg::GetCpuFeatures().amx) return nullptr;
    static QuantKernels table = *bf16;
    table.name = "amx";
    table.mul_q8 = MulQ8;
    return &table;
  }();
  return kernels;
}

}  // namespace ragmesh::quant

#else

namespace ragmesh::quant {
const QuantKernels* AmxQuantKernels() { return nullptr; }
}  // namespace ragmesh::quant

#endif
