// Products of packed matrices with rounded activations in tile registers, for kernels_amx.cc
// and the tests, which run them over registers in software. Registers multiply a tile of
// activations with a panel, over a run, or half of one where halves have multiples of their own;
// vectors turn the sums into results, while the next ones are under way.
//
// The unit is what TileRegisters is, and has Dot<c, a, b>(): c += a * b, both signed bytes.
#ifndef RAGMESH_LIBS_QUANT_TILES_H_
#define RAGMESH_LIBS_QUANT_TILES_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "libs/linalg/tile_registers.h"
#include "libs/quant/products.h"
#include "libs/quant/simd_avx512.h"

namespace ragmesh::quant::simd {

// Groups of four columns that a register takes.
constexpr std::size_t TileGroups(QuantType type) { return HasHalves(type) ? kGroups / 2 : kGroups; }

// Registers 0 to 3 hold sums, 4 and 5 activations, 6 and 7 weights.
constexpr linalg::amx::TileConfig QuantTileConfig(QuantType type) {
  linalg::amx::TileConfig config;
  for (std::size_t tile = 0; tile < 8; ++tile) {
    config.rows[tile] = static_cast<std::uint8_t>(tile < 6 ? kTileRows : TileGroups(type));
    config.row_bytes[tile] = static_cast<std::uint16_t>(
        4 * (tile == 4 || tile == 5 ? TileGroups(type) : linalg::amx::kTileLanes));
  }
  return config;
}

// Runs of a panel that are unpacked together: as bytes they take most of the nearest cache.
constexpr std::size_t kUnpackedRuns = 64;

struct alignas(64) UnpackedRun {
  std::int8_t lines[kGroups][64];
};

template <QuantType kType>
RAGMESH_SIMD_INLINE void UnpackSigned(const std::uint8_t* lines, UnpackedRun* run) {
  __m512i u[kGroups];
  Unpack<Avx512Simd, kType>(lines, u);
  const __m512i bias = _mm512_set1_epi8(static_cast<char>(DotBias<Avx512Simd>(kType)));
#pragma GCC unroll 8
  for (std::size_t g = 0; g < kGroups; ++g)
    _mm512_store_si512(run->lines[g], _mm512_sub_epi8(u[g], bias));
}

// Of each half, or of the whole run in the first.
struct alignas(64) RunSums {
  std::int32_t of[2][kTileRows][linalg::amx::kTileLanes];
};

// Some runs of one panel, times a tile of activations.
template <QuantType kType, typename Unit>
class TileRuns {
 public:
  using S = Avx512Simd;

  // `tiles` and `unpacked` begin with run `first`.
  RAGMESH_SIMD_INLINE TileRuns(Unit& unit, const PanelRows<S, kType>& rows, std::size_t first,
                               std::size_t runs, const UnpackedRun* unpacked, const Q8Tile* tiles)
      : unit_(unit), rows_(rows), first_(first), runs_(runs), unpacked_(unpacked), tiles_(tiles) {}

  // out[a * out_stride + lane] for the first `count` rows a; `begins` where nothing is there yet.
  // A run's sums are fetched once the next one is under way, and used once that one's are fetched.
  RAGMESH_SIMD_INLINE void AddTo(float* out, std::size_t out_stride, std::size_t count,
                                 __mmask16 lanes, bool begins) {
    __m512 total[kTileRows];
#pragma GCC unroll 16
    for (std::size_t a = 0; a < kTileRows; ++a) {
      total[a] =
          begins || a >= count ? S::Zero() : _mm512_maskz_loadu_ps(lanes, out + a * out_stride);
    }
    RunSums sums[2];
    Multiply<0>(0);
    std::size_t run = 0;
    for (; run + 2 <= runs_; run += 2) {
      Multiply<1>(run + 1);
      Fetch<0>(&sums[0]);
      if (run > 0) Finish(run - 1, sums[1], total);
      if (run + 2 < runs_) Multiply<0>(run + 2);
      Fetch<1>(&sums[1]);
      Finish(run, sums[0], total);
    }
    if (run > 0) Finish(run - 1, sums[1], total);
    if (run < runs_) {
      Fetch<0>(&sums[0]);
      Finish(run, sums[0], total);
    }
#pragma GCC unroll 16
    for (std::size_t a = 0; a < kTileRows; ++a) {
      if (a < count) _mm512_mask_storeu_ps(out + a * out_stride, lanes, total[a]);
    }
  }

 private:
  // Runs take turns with two sets of registers.
  template <int kSet>
  RAGMESH_SIMD_INLINE void Multiply(std::size_t run) {
    const std::int8_t* q = tiles_[run].q[0];
    unit_.template Load<6 + kSet>(unpacked_[run].lines[0], 64);
    unit_.template Zero<2 * kSet>();
    unit_.template Load<4 + kSet>(q, kRunValues);
    unit_.template Dot<2 * kSet, 4 + kSet, 6 + kSet>();
    if constexpr (HasHalves(kType)) {
      unit_.template Load<6 + kSet>(unpacked_[run].lines[kGroups / 2], 64);
      unit_.template Zero<2 * kSet + 1>();
      unit_.template Load<4 + kSet>(q + kRunValues / 2, kRunValues);
      unit_.template Dot<2 * kSet + 1, 4 + kSet, 6 + kSet>();
    }
  }

  template <int kSet>
  RAGMESH_SIMD_INLINE void Fetch(RunSums* sums) {
    unit_.template Store<2 * kSet>(sums->of[0], 64);
    if constexpr (HasHalves(kType)) unit_.template Store<2 * kSet + 1>(sums->of[1], 64);
  }

  RAGMESH_SIMD_INLINE void Finish(std::size_t run, const RunSums& sums,
                                  __m512 (&total)[kTileRows]) const {
    const RunFactors<S, kType> factors(rows_, first_ + run);
#pragma GCC unroll 16
    for (std::size_t a = 0; a < kTileRows; ++a) {
      const __m512i first = _mm512_load_si512(sums.of[0][a]);
      __m512 product;
      if constexpr (HasHalves(kType)) {
        product = factors.Product(first, _mm512_load_si512(sums.of[1][a]));
      } else {
        product = factors.Product(first);
      }
      total[a] = factors.AddTo(total[a], product, tiles_[run].of[a]);
    }
  }

  Unit& unit_;
  const PanelRows<S, kType>& rows_;
  const std::size_t first_, runs_;
  const UnpackedRun* const unpacked_;
  const Q8Tile* const tiles_;
};

// The tiles that x.rows begin are multiplied whole.
template <QuantType kType, typename Unit>
RAGMESH_SIMD_TARGET void MulQ8TilesOf(const QuantMatrix& weights, const Q8Rows& x, float* out,
                                      std::size_t out_stride, Unit& unit) {
  const PanelLayout layout = LayOutPanel(kType, weights.columns);
  const std::size_t runs = weights.columns / kRunValues;
  UnpackedRun unpacked[kUnpackedRuns];
  unit.Configure(QuantTileConfig(kType));
  for (std::size_t row = 0; row < weights.rows; row += kPanelRows) {
    const PanelRows<Avx512Simd, kType> rows(weights.data + row / kPanelRows * layout.bytes, layout,
                                            0);
    const std::size_t width = std::min(kPanelRows, weights.rows - row);
    const auto lanes = static_cast<__mmask16>((1u << width) - 1);
    for (std::size_t first = 0; first < runs; first += kUnpackedRuns) {
      const std::size_t count = std::min(kUnpackedRuns, runs - first);
      for (std::size_t run = 0; run < count; ++run)
        UnpackSigned<kType>(rows.Lines(first + run), &unpacked[run]);
      for (std::size_t a = 0; a < x.rows; a += kTileRows) {
        TileRuns<kType, Unit>(unit, rows, first, count, unpacked,
                              x.tiles + a / kTileRows * runs + first)
            .AddTo(out + a * out_stride + row, out_stride, std::min(kTileRows, x.rows - a), lanes,
                   first == 0);
      }
    }
  }
  // As long as they hold something, the kernel saves all of it whenever the thread rests.
  unit.Release();
}

template <typename Unit>
RAGMESH_SIMD_TARGET void MulQ8Tiles(const QuantMatrix& weights, const Q8Rows& x, float* out,
                                    std::size_t out_stride, Unit& unit) {
  WithType(weights.type, [&](auto type) {
    if constexpr (IsQuantised(type)) MulQ8TilesOf<type>(weights, x, out, out_stride, unit);
  });
}

}  // namespace ragmesh::quant::simd

#endif  // RAGMESH_LIBS_QUANT_TILES_H_
