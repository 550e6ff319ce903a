// Products with packed matrices, written once for vectors of any width. A table's file defines
// RAGMESH_SIMD_TARGET (the attribute of its instruction set) and a struct `Simd` with the few
// operations below, includes this and hands out MulF32<Simd> and MulQ8<Simd>.
//
//   kWidth          lanes, a divisor of 16
//   kTokens         activation rows that are multiplied together, as registers allow: 4 or 8
//   kSignedBytes    eight-bit quants and levels are multiplied signed, so that no bias is to be
//                   taken off; else levels are 128 too large
//   Ints, Floats    vectors of kWidth lanes of 4 bytes
//   LoadInts, SubInts, And, Or, Xor (with a byte in all places)
//   ShiftRight<n>   left where negative; what crosses from byte to byte is masked off afterwards
//   Multiple<n>     n times a number, in all lanes; n is 0 or a power of two
//   Dot<bits, groups>    start + the dot products of the four bytes of each lane with four of `x`,
//                   of 4 or 8 groups in turn
//   Levels          what the numbers of levels stand for
//   ByteOf<b, signed>, ToFloats, Zero, Set, Load, Store, Add, Sub, Mul, Fma
//   Halves, BFloats, UnsignedBytes, SignedBytes    kWidth such values in memory
//
// The order of all sums is that of the scalar table, so all tables give the same bits.
#ifndef RAGMESH_LIBS_QUANT_PRODUCTS_H_
#define RAGMESH_LIBS_QUANT_PRODUCTS_H_

#ifndef RAGMESH_SIMD_TARGET
#error "define RAGMESH_SIMD_TARGET, the attribute of the instruction set, before including this"
#endif
#define RAGMESH_SIMD_INLINE RAGMESH_SIMD_TARGET __attribute__((always_inline)) inline

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "libs/quant/kernels.h"
#include "libs/quant/matrix.h"

namespace ragmesh::quant::simd {

constexpr std::size_t kGroups = 8;  // of four columns in a run
constexpr std::size_t kSuperRuns = 8;

// Bits of a quant as it is multiplied, and what is then to be taken off.
constexpr std::size_t DotBits(QuantType type) { return HasLevels(type) ? 8 : QuantBits(type); }
template <typename S>
constexpr bool IsSigned(QuantType type) {
  return S::kSignedBytes && DotBits(type) == 8;
}
template <typename S>
constexpr int DotBias(QuantType type) {
  if (IsSigned<S>(type)) return 0;
  return HasLevels(type) ? 128 : StoredBias(type);
}

// The quants of a run as they are multiplied: one vector a group.
template <typename S, QuantType kType>
RAGMESH_SIMD_INLINE void Unpack(const std::uint8_t* lines, typename S::Ints (&u)[kGroups]) {
  constexpr std::size_t kBits = QuantBits(kType);
  if constexpr (kBits == 8) {
#pragma GCC unroll 8
    for (std::size_t g = 0; g < kGroups; ++g) {
      u[g] = S::LoadInts(lines + 64 * g);
      if constexpr (S::kSignedBytes) u[g] = S::Xor(u[g], 128);
    }
    return;
  }
#pragma GCC unroll 4
  for (std::size_t g = 0; g < 4; ++g) {
    const typename S::Ints line = S::LoadInts(lines + 64 * g);
    u[g] = S::And(line, 15);
    u[g + 4] = S::And(S::template ShiftRight<4>(line), 15);
  }
  if constexpr (HasLevels(kType)) {
#pragma GCC unroll 8
    for (std::size_t g = 0; g < kGroups; ++g) u[g] = S::Levels(u[g]);
  }
  if constexpr (kBits == 5) {
    const typename S::Ints fifth = S::LoadInts(lines + 256);
    u[0] = S::Or(u[0], S::And(S::template ShiftRight<-4>(fifth), 16));
    u[1] = S::Or(u[1], S::And(S::template ShiftRight<-3>(fifth), 16));
    u[2] = S::Or(u[2], S::And(S::template ShiftRight<-2>(fifth), 16));
    u[3] = S::Or(u[3], S::And(S::template ShiftRight<-1>(fifth), 16));
    u[4] = S::Or(u[4], S::And(fifth, 16));
    u[5] = S::Or(u[5], S::And(S::template ShiftRight<1>(fifth), 16));
    u[6] = S::Or(u[6], S::And(S::template ShiftRight<2>(fifth), 16));
    u[7] = S::Or(u[7], S::And(S::template ShiftRight<3>(fifth), 16));
  }
  if constexpr (kBits == 6) {
#pragma GCC unroll 2
    for (std::size_t h = 0; h < 2; ++h) {
      const typename S::Ints top = S::LoadInts(lines + 256 + 64 * h);
      u[4 * h] = S::Or(u[4 * h], S::And(S::template ShiftRight<-4>(top), 48));
      u[4 * h + 1] = S::Or(u[4 * h + 1], S::And(S::template ShiftRight<-2>(top), 48));
      u[4 * h + 2] = S::Or(u[4 * h + 2], S::And(top, 48));
      u[4 * h + 3] = S::Or(u[4 * h + 3], S::And(S::template ShiftRight<2>(top), 48));
    }
  }
}

// kWidth rows of a panel, beginning with row `first`.
template <typename S, QuantType kType>
class PanelRows {
 public:
  using Floats = typename S::Floats;

  RAGMESH_SIMD_INLINE PanelRows(const std::uint8_t* panel, const PanelLayout& layout,
                                std::size_t first)
      : d_(panel + layout.d + 2 * first),
        m_(panel + layout.m + 2 * first),
        multiples_(panel + layout.multiples + first),
        minimums_(panel + layout.minimums + first),
        lines_(panel + layout.quants + 4 * first) {}

  RAGMESH_SIMD_INLINE const std::uint8_t* Lines(std::size_t run) const {
    return lines_ + run * RunBytes(kType);
  }
  // The factor of whole runs; without the multiples of halves.
  RAGMESH_SIMD_INLINE Floats Scale(std::size_t run) const {
    if constexpr (HasSuperblocks(kType)) {
      const Floats d = S::Halves(d_ + run / kSuperRuns * kPanelRows * 2);
      if constexpr (HasHalves(kType)) return d;
      return S::Mul(d, S::UnsignedBytes(multiples_ + run * kPanelRows));
    } else {
      return S::Halves(d_ + run * kPanelRows * 2);
    }
  }
  RAGMESH_SIMD_INLINE Floats Multiple(std::size_t run, std::size_t half) const {
    const std::uint8_t* bytes = multiples_ + (2 * run + half) * kPanelRows;
    if constexpr (HasOffsets(kType)) return S::UnsignedBytes(bytes);
    return S::SignedBytes(bytes);
  }
  // What is added to whole runs; without the minimums of halves.
  RAGMESH_SIMD_INLINE Floats Offset(std::size_t run) const {
    if constexpr (HasSuperblocks(kType)) {
      const Floats m = S::Sub(S::Zero(), S::Halves(m_ + run / kSuperRuns * kPanelRows * 2));
      if constexpr (HasHalves(kType)) return m;
      return S::Mul(m, S::UnsignedBytes(minimums_ + run * kPanelRows));
    } else {
      return S::Halves(m_ + run * kPanelRows * 2);
    }
  }
  RAGMESH_SIMD_INLINE Floats Minimum(std::size_t run, std::size_t half) const {
    return S::UnsignedBytes(minimums_ + (2 * run + half) * kPanelRows);
  }

 private:
  const std::uint8_t *d_, *m_, *multiples_, *minimums_, *lines_;
};

// What turns the integer sums of a run into results.
template <typename S, QuantType kType>
struct RunFactors {
  using Floats = typename S::Floats;
  using Ints = typename S::Ints;

  RAGMESH_SIMD_INLINE RunFactors(const PanelRows<S, kType>& rows, std::size_t run)
      : scale(rows.Scale(run)), offset(S::Zero()) {
    multiple[0] = multiple[1] = minimum[0] = minimum[1] = offset;
    if constexpr (HasOffsets(kType)) offset = rows.Offset(run);
    if constexpr (HasHalves(kType)) {
      multiple[0] = rows.Multiple(run, 0);
      multiple[1] = rows.Multiple(run, 1);
    }
    if constexpr (HasHalves(kType) && HasOffsets(kType)) {
      minimum[0] = rows.Minimum(run, 0);
      minimum[1] = rows.Minimum(run, 1);
    }
  }

  RAGMESH_SIMD_INLINE Floats Product(Ints whole) const { return S::ToFloats(whole); }
  // Of a type with halves. Below 2^24 each and together, so exact.
  RAGMESH_SIMD_INLINE Floats Product(Ints low, Ints high) const {
    return S::Fma(S::ToFloats(low), multiple[0], S::Mul(S::ToFloats(high), multiple[1]));
  }
  // Adds the run's product with a row of activations.
  RAGMESH_SIMD_INLINE Floats AddTo(Floats total, Floats product, const Q8Tile::Sums& of) const {
    total = S::Fma(product, S::Mul(scale, S::Set(of.scale)), total);
    if constexpr (HasHalves(kType) && HasOffsets(kType)) {
      const Floats first = S::Set(static_cast<float>(-of.first)),
                   second = S::Set(static_cast<float>(of.first - of.whole));
      const Floats minimums = S::Fma(minimum[0], first, S::Mul(minimum[1], second));
      total = S::Fma(offset, S::Mul(minimums, S::Set(of.scale)), total);
    } else if constexpr (HasOffsets(kType)) {
      total = S::Fma(offset, S::Set(of.sum), total);
    }
    return total;
  }

  Floats scale, offset, multiple[2], minimum[2];
};

// How far ahead weights are asked for, past what the processor foresees by itself: it stops at the
// end of a page of 4 KB.
constexpr std::size_t kPrefetchBytes = 4096;

// Rows kSlot and on of the tiles.
template <typename S, QuantType kType, std::size_t kSlot, std::size_t kCount>
RAGMESH_SIMD_TARGET void MulQ8Tile(const std::uint8_t* panel, const PanelLayout& layout,
                                   std::size_t first, std::size_t runs, const Q8Tile* tiles,
                                   bool fresh, float* out, std::size_t out_stride,
                                   std::size_t lanes) {
  using Floats = typename S::Floats;
  using Ints = typename S::Ints;
  const PanelRows<S, kType> rows(panel, layout, first);
  Floats total[kCount];
#pragma GCC unroll 8
  for (std::size_t a = 0; a < kCount; ++a) total[a] = S::Zero();
  std::size_t asked = 0;  // bytes of a panel: scales and quants of the next one are one stretch
  for (std::size_t run = 0; run < runs; ++run) {
    const std::uint8_t* lines = rows.Lines(run);
    for (; fresh && asked * runs < layout.bytes * (run + 1); asked += 64)
      __builtin_prefetch(panel + kPrefetchBytes + asked);
    Ints u[kGroups];
    Unpack<S, kType>(lines, u);
    const RunFactors<S, kType> factors(rows, run);
#pragma GCC unroll 8
    for (std::size_t a = 0; a < kCount; ++a) {
      const std::int8_t* q = tiles[run].q[kSlot + a];
      const Q8Tile::Sums& of = tiles[run].of[kSlot + a];
      constexpr std::size_t kBits = DotBits(kType);
      const Ints whole = S::template Multiple<DotBias<S>(kType)>(of.whole);
      Floats product;
      if constexpr (HasHalves(kType)) {
        const Ints half = S::template Multiple<DotBias<S>(kType)>(of.first);
        const Ints low = S::template Dot<kBits, 4>(half, u, q);
        const Ints high = S::template Dot<kBits, 4>(S::SubInts(whole, half), u + 4, q + 16);
        product = factors.Product(low, high);
      } else {
        product = factors.Product(S::template Dot<kBits, kGroups>(whole, u, q));
      }
      total[a] = factors.AddTo(total[a], product, of);
    }
  }
#pragma GCC unroll 8
  for (std::size_t a = 0; a < kCount; ++a) S::Store(out + a * out_stride, total[a], lanes);
}

// Calls the tile of `count` rows.
template <typename S, QuantType kType, std::size_t kSlot, std::size_t kCount, typename... Args>
RAGMESH_SIMD_INLINE void MulQ8Count(std::size_t count, Args&&... args) {
  if (count == kCount) return MulQ8Tile<S, kType, kSlot, kCount>(std::forward<Args>(args)...);
  if constexpr (kCount > 1)
    MulQ8Count<S, kType, kSlot, kCount - 1>(count, std::forward<Args>(args)...);
}

// Rows kSlot and on of the tiles that begin with row `begin`, as many as there are.
template <typename S, QuantType kType, std::size_t kSlot>
RAGMESH_SIMD_INLINE void MulQ8Slots(const QuantMatrix& weights, const PanelLayout& layout,
                                    const Q8Rows& x, std::size_t begin, float* out,
                                    std::size_t out_stride) {
  const std::size_t a = begin + kSlot, runs = weights.columns / kRunValues;
  if (a >= x.rows) return;
  const std::size_t count = std::min(S::kTokens, x.rows - a);
  for (std::size_t row = 0; row < weights.rows; row += S::kWidth) {
    MulQ8Count<S, kType, kSlot, S::kTokens>(
        count, weights.data + row / kPanelRows * layout.bytes, layout, row % kPanelRows, runs,
        x.tiles + begin / kTileRows * runs, a == 0, out + a * out_stride + row, out_stride,
        std::min(S::kWidth, weights.rows - row));
  }
  if constexpr (kSlot + S::kTokens < kTileRows)
    MulQ8Slots<S, kType, kSlot + S::kTokens>(weights, layout, x, begin, out, out_stride);
}

template <typename S, QuantType kType>
RAGMESH_SIMD_TARGET void MulQ8Of(const QuantMatrix& weights, const Q8Rows& x, float* out,
                                 std::size_t out_stride) {
  const PanelLayout layout = LayOutPanel(kType, weights.columns);
  for (std::size_t begin = 0; begin < x.rows; begin += kTileRows)
    MulQ8Slots<S, kType, 0>(weights, layout, x, begin, out, out_stride);
}

template <typename S>
RAGMESH_SIMD_TARGET void MulQ8(const QuantMatrix& weights, const Q8Rows& x, float* out,
                               std::size_t out_stride) {
  WithType(weights.type, [&](auto type) {
    if constexpr (IsQuantised(type)) MulQ8Of<S, type>(weights, x, out, out_stride);
  });
}

constexpr std::size_t kFloatTokens = 4;

// The f32 weights of a run, and sums of their products with `x`, which points to the run's first
// column.
template <typename S, std::size_t kCount>
struct FloatRun {
  typename S::Floats scale[2], offset[2], bias;
  typename S::Floats sum[kCount];
  const float* x;
  std::size_t columns;

  template <bool kSigned, int kByte>
  RAGMESH_SIMD_INLINE void Add(typename S::Ints q, std::size_t column) {
    const typename S::Floats stored = S::ToFloats(S::template ByteOf<kByte, kSigned>(q));
    const typename S::Floats w =
        S::Add(S::Mul(scale[column / 16], S::Sub(stored, bias)), offset[column / 16]);
#pragma GCC unroll 4
    for (std::size_t a = 0; a < kCount; ++a)
      sum[a] = S::Fma(w, S::Set(x[a * columns + column]), sum[a]);
  }
};

// Adds a run to `total`: columns one after another within it, runs one after another.
template <typename S, QuantType kType, std::size_t kCount>
RAGMESH_SIMD_INLINE void AddQuantRun(const PanelRows<S, kType>& rows, std::size_t run,
                                     const float* x, std::size_t columns,
                                     typename S::Floats (&total)[kCount]) {
  constexpr bool kSigned = IsSigned<S>(kType);
  typename S::Ints u[kGroups];
  Unpack<S, kType>(rows.Lines(run), u);
  FloatRun<S, kCount> floats;
  floats.scale[0] = floats.scale[1] = rows.Scale(run);
  if constexpr (HasHalves(kType)) {
    floats.scale[0] = S::Mul(floats.scale[0], rows.Multiple(run, 0));
    floats.scale[1] = S::Mul(floats.scale[1], rows.Multiple(run, 1));
  }
  floats.bias = S::Set(static_cast<float>(DotBias<S>(kType)));
  floats.offset[0] = floats.offset[1] = S::Zero();
  if constexpr (HasOffsets(kType)) floats.offset[0] = floats.offset[1] = rows.Offset(run);
  if constexpr (HasHalves(kType) && HasOffsets(kType)) {
    floats.offset[0] = S::Mul(floats.offset[0], rows.Minimum(run, 0));
    floats.offset[1] = S::Mul(floats.offset[1], rows.Minimum(run, 1));
  }
  floats.x = x + run * kRunValues;
  floats.columns = columns;
#pragma GCC unroll 4
  for (std::size_t a = 0; a < kCount; ++a) floats.sum[a] = S::Zero();
#pragma GCC unroll 8
  for (std::size_t g = 0; g < kGroups; ++g) {
    floats.template Add<kSigned, 0>(u[g], 4 * g);
    floats.template Add<kSigned, 1>(u[g], 4 * g + 1);
    floats.template Add<kSigned, 2>(u[g], 4 * g + 2);
    floats.template Add<kSigned, 3>(u[g], 4 * g + 3);
  }
#pragma GCC unroll 4
  for (std::size_t a = 0; a < kCount; ++a) total[a] = S::Add(total[a], floats.sum[a]);
}

template <typename S, QuantType kType>
RAGMESH_SIMD_INLINE typename S::Floats FloatWeights(const std::uint8_t* values, std::size_t index) {
  if constexpr (kType == QuantType::kF16) return S::Halves(values + 2 * index);
  if constexpr (kType == QuantType::kBF16) return S::BFloats(values + 2 * index);
  return S::Load(reinterpret_cast<const float*>(values) + index);
}

template <typename S, QuantType kType, std::size_t kCount>
RAGMESH_SIMD_TARGET void MulF32Tile(const std::uint8_t* panel, const PanelLayout& layout,
                                    std::size_t first, const float* x, std::size_t columns,
                                    float* out, std::size_t out_stride, std::size_t lanes) {
  using Floats = typename S::Floats;
  Floats total[kCount];
#pragma GCC unroll 4
  for (std::size_t a = 0; a < kCount; ++a) total[a] = S::Zero();
  if constexpr (IsQuantised(kType)) {
    const PanelRows<S, kType> rows(panel, layout, first);
    for (std::size_t run = 0; run < columns / kRunValues; ++run)
      AddQuantRun<S, kType, kCount>(rows, run, x, columns, total);
  } else {
    for (std::size_t begin = 0; begin < columns; begin += kRunValues) {
      Floats part[kCount];
#pragma GCC unroll 4
      for (std::size_t a = 0; a < kCount; ++a) part[a] = S::Zero();
      for (std::size_t i = begin; i < std::min(begin + kRunValues, columns); ++i) {
        const Floats w = FloatWeights<S, kType>(panel, i * kPanelRows + first);
#pragma GCC unroll 4
        for (std::size_t a = 0; a < kCount; ++a)
          part[a] = S::Fma(w, S::Set(x[a * columns + i]), part[a]);
      }
#pragma GCC unroll 4
      for (std::size_t a = 0; a < kCount; ++a) total[a] = S::Add(total[a], part[a]);
    }
  }
#pragma GCC unroll 4
  for (std::size_t a = 0; a < kCount; ++a) S::Store(out + a * out_stride, total[a], lanes);
}

template <typename S, QuantType kType>
RAGMESH_SIMD_TARGET void MulF32Of(const QuantMatrix& weights, const float* x, std::size_t count,
                                  float* out, std::size_t out_stride) {
  const PanelLayout layout = LayOutPanel(kType, weights.columns);
  for (std::size_t row = 0; row < weights.rows; row += S::kWidth) {
    const std::uint8_t* panel = weights.data + row / kPanelRows * layout.bytes;
    const std::size_t first = row % kPanelRows, lanes = std::min(S::kWidth, weights.rows - row);
    std::size_t a = 0;
    for (; a + kFloatTokens <= count; a += kFloatTokens) {
      MulF32Tile<S, kType, kFloatTokens>(panel, layout, first, x + a * weights.columns,
                                         weights.columns, out + a * out_stride + row, out_stride,
                                         lanes);
    }
    for (; a < count; ++a) {
      MulF32Tile<S, kType, 1>(panel, layout, first, x + a * weights.columns, weights.columns,
                              out + a * out_stride + row, out_stride, lanes);
    }
  }
}

template <typename S>
RAGMESH_SIMD_TARGET void MulF32(const QuantMatrix& weights, const float* x, std::size_t count,
                                float* out, std::size_t out_stride) {
  WithType(weights.type, [&](auto type) { MulF32Of<S, type>(weights, x, count, out, out_stride); });
}

}  // namespace ragmesh::quant::simd

#endif  // RAGMESH_LIBS_QUANT_PRODUCTS_H_
