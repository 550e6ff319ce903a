// A tile of 6 rows by 16 columns takes 24 registers. Six more hold 16 bytes of each row, four
// groups, which fmla and sdot take apart by lane; the last two are for columns. So 96 multiply-adds
// need 22 loads. Tiles of 8 rows by 12 columns leave no room for the rows and load each group on
// its own, 44; and 16 columns divide the heads that attention works on, 12 do not.
//
// One loop serves both precisions, since fmla (1 float) and sdot (4 bytes) both add a product of
// 32-bit lanes to 32-bit lanes. The file is built without scheduling before registers are allocated
// (CMakeLists.txt): gcc 12 would move loads so far up that sums had to live in memory, which
// tests/arm64 checks for.
#if defined(__aarch64__)

#include "libs/linalg/tile_neon.h"

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#define RAGMESH_INLINE __attribute__((always_inline)) inline

namespace ragmesh::linalg::neon {
namespace {

constexpr std::size_t kGroupBytes = kPanelWidth * 4;

// sum += columns * lane `lane` of row
struct Fmla {
  template <int lane>
  static uint32x4_t Add(uint32x4_t sum, uint32x4_t columns, uint32x4_t row) {
    return vreinterpretq_u32_f32(vfmaq_laneq_f32(vreinterpretq_f32_u32(sum),
                                                 vreinterpretq_f32_u32(columns),
                                                 vreinterpretq_f32_u32(row), lane));
  }
};
struct Sdot {
  template <int lane>
  RAGMESH_DOTPROD static uint32x4_t Add(uint32x4_t sum, uint32x4_t columns, uint32x4_t row) {
    return vreinterpretq_u32_s32(vdotq_laneq_s32(vreinterpretq_s32_u32(sum),
                                                 vreinterpretq_s8_u32(columns),
                                                 vreinterpretq_s8_u32(row), lane));
  }
};

RAGMESH_INLINE uint32x4_t LoadLanes(const std::uint8_t* from) {
  return vreinterpretq_u32_u8(vld1q_u8(from));
}

// One group in every lane.
RAGMESH_INLINE uint32x4_t LoadGroup(const std::uint8_t* from) {
  std::uint32_t group;
  std::memcpy(&group, from, sizeof(group));
  return vdupq_n_u32(group);
}

// Adds the products of one group, which is lane `lane` of each row.
template <typename Op, int lane, std::size_t rows>
RAGMESH_INLINE void AddGroup(const std::uint8_t* b, const uint32x4_t (&row)[rows],
                             uint32x4_t (&sums)[rows][4]) {
#pragma GCC unroll 4
  for (std::size_t v = 0; v < 4; ++v) {
    const uint32x4_t columns = LoadLanes(b + 16 * v);
#pragma GCC unroll 6
    for (std::size_t r = 0; r < rows; ++r)
      sums[r][v] = Op::template Add<lane>(sums[r][v], columns, row[r]);
  }
}

// Always inlined, so that it has the target of the function around it, which is what Op needs.
template <typename Op, std::size_t rows>
RAGMESH_INLINE void Multiply(const Tile& tile) {
  const auto* a = static_cast<const std::uint8_t*>(tile.a);
  const auto* b = static_cast<const std::uint8_t*>(tile.b);
  uint32x4_t sums[rows][4] = {};
  uint32x4_t row[rows];
  std::size_t left = tile.groups;
  for (; left >= 4; left -= 4, a += 16, b += 4 * kGroupBytes) {
#pragma GCC unroll 6
    for (std::size_t r = 0; r < rows; ++r) {
      row[r] = LoadLanes(a + r * tile.a_stride);
      asm("" : "+w"(row[r]));  // or the compiler would load each lane on its own, where it is used
    }
    AddGroup<Op, 0>(b, row, sums);
    AddGroup<Op, 1>(b + kGroupBytes, row, sums);
    AddGroup<Op, 2>(b + 2 * kGroupBytes, row, sums);
    AddGroup<Op, 3>(b + 3 * kGroupBytes, row, sums);
  }
  for (; left > 0; --left, a += 4, b += kGroupBytes) {
#pragma GCC unroll 6
    for (std::size_t r = 0; r < rows; ++r) row[r] = LoadGroup(a + r * tile.a_stride);
    AddGroup<Op, 0>(b, row, sums);
  }
  auto* out = static_cast<std::uint8_t*>(tile.out);
#pragma GCC unroll 6
  for (std::size_t r = 0; r < rows; ++r, out += tile.out_stride) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < 4; ++v) vst1q_u8(out + 16 * v, vreinterpretq_u8_u32(sums[r][v]));
  }
}

template <std::size_t rows>
void MultiplyF32(const Tile& tile) {
  Multiply<Fmla, rows>(tile);
}

template <std::size_t rows>
RAGMESH_DOTPROD void MultiplyDotprod(const Tile& tile) {
  Multiply<Sdot, rows>(tile);
}

// The four products of a column become two sums of two in 16 bits each, which even products of the
// lowest values fit, and those are added to two lanes of 32 bits. So a row takes eight registers.
template <std::size_t rows>
void MultiplyWidening(const Tile& tile) {
  const auto* a = static_cast<const std::uint8_t*>(tile.a);
  const auto* b = static_cast<const std::int8_t*>(tile.b);
  int32x4_t sums[rows][8] = {};
  for (std::size_t left = tile.groups; left > 0; --left, a += 4, b += kGroupBytes) {
    int8x16_t row[rows];
#pragma GCC unroll 3
    for (std::size_t r = 0; r < rows; ++r)
      row[r] = vreinterpretq_s8_u32(LoadGroup(a + r * tile.a_stride));
#pragma GCC unroll 4
    for (std::size_t v = 0; v < 4; ++v) {
      const int8x16_t columns = vld1q_s8(b + 16 * v);
#pragma GCC unroll 3
      for (std::size_t r = 0; r < rows; ++r) {
        int32x4_t* const sum = &sums[r][2 * v];
        sum[0] = vpadalq_s16(sum[0], vmull_s8(vget_low_s8(columns), vget_low_s8(row[r])));
        sum[1] = vpadalq_s16(sum[1], vmull_high_s8(columns, row[r]));
      }
    }
  }
  auto* out = static_cast<std::uint8_t*>(tile.out);
#pragma GCC unroll 3
  for (std::size_t r = 0; r < rows; ++r, out += tile.out_stride) {
#pragma GCC unroll 4
    for (std::size_t v = 0; v < 4; ++v) {
      const int32x4_t sum = vpaddq_s32(sums[r][2 * v], sums[r][2 * v + 1]);
      vst1q_u8(out + 16 * v, vreinterpretq_u8_s32(sum));
    }
  }
}

}  // namespace

const TileFunction kF32Tiles[kTileRows] = {MultiplyF32<1>, MultiplyF32<2>, MultiplyF32<3>,
                                           MultiplyF32<4>, MultiplyF32<5>, MultiplyF32<6>};
const TileFunction kDotprodTiles[kTileRows] = {MultiplyDotprod<1>, MultiplyDotprod<2>,
                                               MultiplyDotprod<3>, MultiplyDotprod<4>,
                                               MultiplyDotprod<5>, MultiplyDotprod<6>};
const TileFunction kWideningTiles[kWideningRows] = {MultiplyWidening<1>, MultiplyWidening<2>,
                                                    MultiplyWidening<3>};

}  // namespace ragmesh::linalg::neon

#endif  // defined(__aarch64__)
