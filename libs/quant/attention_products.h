// The two products of attention for a tile of queries: with keys, and of weights with values. For
// each type of block; see attention.h for what is done between them.
//
// Every sum is taken in an order that depends on its own query, position or dimension alone.
#ifndef RAGMESH_LIBS_QUANT_ATTENTION_PRODUCTS_H_
#define RAGMESH_LIBS_QUANT_ATTENTION_PRODUCTS_H_

#ifndef RAGMESH_SIMD_TARGET
#error "define RAGMESH_SIMD_TARGET, the attribute of the instruction set, before including this"
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "libs/quant/kv_block.h"
#include "libs/quant/products.h"

namespace ragmesh::quant::simd {

// What a tile works on. Queries and weights of bf16 stand as the pairs of a dot product, rounded.
struct TileRows {
  const float* query[kMaxTileQueries];          // head_dim
  const std::uint32_t* pairs[kMaxTileQueries];  // padded_dim / 2, of bf16
  float* sum[kMaxTileQueries];                  // padded_dim
  float* scores;                                // [query][kScoredPositions]
  std::uint32_t* weight_pairs;                  // [query][kScoredPositions / 2], of bf16
};

template <typename S, KvType kType>
RAGMESH_SIMD_INLINE typename S::Floats Cached(const std::uint8_t* part, std::size_t index) {
  if constexpr (kType == KvType::kF16) return S::Halves(part + 2 * index);
  if constexpr (kType == KvType::kQ8) return S::SignedBytes(part + index);
  return S::Load(reinterpret_cast<const float*>(part) + index);
}

template <typename S, KvType kType, std::size_t kCount>
class TileProducts {
 public:
  using Floats = typename S::Floats;

  RAGMESH_SIMD_INLINE TileProducts(const KvAttention& work, const KvLayout& layout,
                                   const TileRows& rows)
      : work_(work), layout_(layout), rows_(rows) {}

  // Scores of positions `start` to `stop`, to the end of the last block; that of `at` comes first.
  RAGMESH_SIMD_INLINE void Score(std::size_t start, std::size_t stop, std::size_t at) const {
    const std::size_t end = (stop + kBlockPositions - 1) / kBlockPositions * kBlockPositions;
    constexpr std::size_t kMost = ScoredTogether(), kLeast = std::min(kMost, kVectors);
    std::size_t p = start;
    for (; p + kMost * S::kWidth <= end; p += kMost * S::kWidth) ScoreVectors<kMost>(p, p - at);
    for (; p < end; p += kLeast * S::kWidth) ScoreVectors<kLeast>(p, p - at);
  }

  // Adds the values of positions `start` to `stop`, weighed, to the sums.
  RAGMESH_SIMD_INLINE void AddValues(std::size_t start, std::size_t stop, std::size_t at) const {
    constexpr std::size_t kWide = AddedTogether();
    std::size_t d = 0;
    for (; d + kWide * S::kWidth <= layout_.padded_dim; d += kWide * S::kWidth)
      AddSlice<kWide>(d, start, stop, at);
    for (; d < layout_.padded_dim; d += S::kWidth) AddSlice<1>(d, start, stop, at);
  }

 private:
  static constexpr bool kPairs = kType == KvType::kBF16;
  static constexpr std::size_t kVectors = kBlockPositions / S::kWidth;  // of positions in a block

  // Vectors of positions that are scored together: a sum waits for itself at every dimension, so
  // there are as many as registers hold.
  static constexpr std::size_t ScoredTogether() {
    std::size_t wide = kScoredPositions / S::kWidth;
    while (wide > 1 && wide * kCount > S::kSums) wide /= 2;
    return wide;
  }
  // Vectors of dimensions, of which each has two sums, that of every other step.
  static constexpr std::size_t AddedTogether() {
    std::size_t wide = 4;
    while (wide > 1 && 2 * wide * kCount > S::kSums) wide /= 2;
    return wide;
  }

  RAGMESH_SIMD_INLINE const std::uint8_t* Block(std::size_t position) const {
    return work_.blocks[position / kBlockPositions] + work_.offset;
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void ScoreVectors(std::size_t position, std::size_t column) const {
    const std::uint8_t* keys[kWide];  // of the block that a vector is in
    std::size_t lane[kWide];
#pragma GCC unroll 8
    for (std::size_t v = 0; v < kWide; ++v) {
      keys[v] = Block(position + v * S::kWidth);
      lane[v] = (position + v * S::kWidth) % kBlockPositions;
    }
    Floats sum[kCount][kWide];
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kWide; ++v) sum[q][v] = S::Zero();
    }
    if constexpr (kPairs) {
      AddKeyPairs<kWide>(keys, lane, sum);
    } else if constexpr (kType == KvType::kQ8) {
      for (std::size_t run = 0; run < work_.head_dim; run += kScaleDims) {
        Floats part[kCount][kWide];
#pragma GCC unroll 8
        for (std::size_t q = 0; q < kCount; ++q) {
#pragma GCC unroll 8
          for (std::size_t v = 0; v < kWide; ++v) part[q][v] = S::Zero();
        }
        AddKeys<kWide>(keys, lane, run, std::min(run + kScaleDims, work_.head_dim), part);
#pragma GCC unroll 8
        for (std::size_t v = 0; v < kWide; ++v) {
          const Floats scale = S::Halves(keys[v] + layout_.key_scales +
                                         2 * (run / kScaleDims * kBlockPositions + lane[v]));
#pragma GCC unroll 8
          for (std::size_t q = 0; q < kCount; ++q) sum[q][v] = S::Fma(part[q][v], scale, sum[q][v]);
        }
      }
    } else {
      AddKeys<kWide>(keys, lane, 0, work_.head_dim, sum);
    }
    const Floats scale = S::Set(work_.scale);
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kWide; ++v) {
        S::Store(rows_.scores + q * kScoredPositions + column + v * S::kWidth,
                 S::Mul(sum[q][v], scale), S::kWidth);
      }
    }
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void AddKeys(const std::uint8_t* const (&keys)[kWide],
                                   const std::size_t (&lane)[kWide], std::size_t begin,
                                   std::size_t end, Floats (&sum)[kCount][kWide]) const {
    for (std::size_t d = begin; d < end; ++d) {
      Floats key[kWide];
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kWide; ++v)
        key[v] = Cached<S, kType>(keys[v], d * kBlockPositions + lane[v]);
#pragma GCC unroll 8
      for (std::size_t q = 0; q < kCount; ++q) {
        const Floats x = S::Set(rows_.query[q][d]);
#pragma GCC unroll 8
        for (std::size_t v = 0; v < kWide; ++v) sum[q][v] = S::Fma(key[v], x, sum[q][v]);
      }
    }
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void AddKeyPairs(const std::uint8_t* const (&keys)[kWide],
                                       const std::size_t (&lane)[kWide],
                                       Floats (&sum)[kCount][kWide]) const {
    for (std::size_t pair = 0; pair < layout_.padded_dim / 2; ++pair) {
      typename S::Ints key[kWide];
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kWide; ++v)
        key[v] = S::LoadInts(keys[v] + 4 * (pair * kBlockPositions + lane[v]));
#pragma GCC unroll 8
      for (std::size_t q = 0; q < kCount; ++q) {
        const std::uint32_t x = rows_.pairs[q][pair];
#pragma GCC unroll 8
        for (std::size_t v = 0; v < kWide; ++v) sum[q][v] = S::DotPairs(sum[q][v], key[v], x);
      }
    }
  }

  template <std::size_t kWide>
  using Sums = Floats[2][kCount][kWide];

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void AddSlice(std::size_t begin, std::size_t start, std::size_t stop,
                                    std::size_t at) const {
    Sums<kWide> sum;
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kWide; ++v) {
        sum[0][q][v] = S::Load(rows_.sum[q] + begin + v * S::kWidth);
        sum[1][q][v] = S::Zero();
      }
    }
    for (std::size_t p = start; p < stop; p += kBlockPositions) {
      const std::size_t count = std::min(stop - p, kBlockPositions);
      if constexpr (kPairs) {
        AddPairs<kWide>(Block(p) + layout_.values, begin, p - at, count, sum);
      } else {
        AddRows<kWide>(Block(p), begin, p - at, count, sum);
      }
    }
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kWide; ++v) {
        S::Store(rows_.sum[q] + begin + v * S::kWidth, S::Add(sum[0][q][v], sum[1][q][v]),
                 S::kWidth);
      }
    }
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void AddRows(const std::uint8_t* block, std::size_t begin, std::size_t column,
                                   std::size_t count, Sums<kWide>& sum) const {
    std::size_t p = 0;
    for (; p + 2 <= count; p += 2) {
      AddRow<kWide>(block, begin, column, p, sum[0]);
      AddRow<kWide>(block, begin, column, p + 1, sum[1]);
    }
    if (p < count) AddRow<kWide>(block, begin, column, p, sum[0]);
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void AddRow(const std::uint8_t* block, std::size_t begin, std::size_t column,
                                  std::size_t p, Floats (&sum)[kCount][kWide]) const {
    Floats value[kWide];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kWide; ++v) {
      const std::size_t d = begin + v * S::kWidth;
      value[v] = Cached<S, kType>(block + layout_.values, p * layout_.padded_dim + d);
      if constexpr (kType == KvType::kQ8)
        value[v] = S::Mul(value[v], S::Set(ValueScale(block, p, d)));
    }
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
      const Floats weight = S::Set(rows_.scores[q * kScoredPositions + column + p]);
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kWide; ++v) sum[q][v] = S::Fma(weight, value[v], sum[q][v]);
    }
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void AddPairs(const std::uint8_t* values, std::size_t begin,
                                    std::size_t column, std::size_t count, Sums<kWide>& sum) const {
    std::size_t pair = 0;
    for (; pair + 2 <= count / 2; pair += 2) {
      AddPair<kWide, false>(values, begin, column, pair, sum[0]);
      AddPair<kWide, false>(values, begin, column, pair + 1, sum[1]);
    }
    if (pair < count / 2) AddPair<kWide, false>(values, begin, column, pair++, sum[0]);
    if (count % 2 == 0) return;
    // Of the last pair only the first position is there.
    AddPair<kWide, true>(values, begin, column, pair, sum[pair % 2]);
  }

  template <std::size_t kWide, bool kFirstAlone>
  RAGMESH_SIMD_INLINE void AddPair(const std::uint8_t* values, std::size_t begin,
                                   std::size_t column, std::size_t pair,
                                   Floats (&sum)[kCount][kWide]) const {
    typename S::Ints value[kWide];
#pragma GCC unroll 4
    for (std::size_t v = 0; v < kWide; ++v) {
      value[v] = S::LoadInts(values + 4 * (pair * layout_.padded_dim + begin + v * S::kWidth));
      if constexpr (kFirstAlone) value[v] = S::FirstOfPairs(value[v]);
    }
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
      const std::uint32_t weight =
          rows_.weight_pairs[q * (kScoredPositions / 2) + column / 2 + pair];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kWide; ++v) sum[q][v] = S::DotPairs(sum[q][v], value[v], weight);
    }
  }

  RAGMESH_SIMD_INLINE float ValueScale(const std::uint8_t* block, std::size_t p,
                                       std::size_t d) const {
    const std::size_t runs = (work_.head_dim + kScaleDims - 1) / kScaleDims;
    const std::size_t run = std::min(d / kScaleDims, runs - 1);  // of padding: anything
    std::uint16_t half;
    std::memcpy(&half, block + layout_.value_scales + 2 * (p * runs + run), sizeof(half));
    return S::HalfOf(half);
  }

  const KvAttention& work_;
  const KvLayout& layout_;
  const TileRows& rows_;
};

}  // namespace ragmesh::quant::simd

#endif  // RAGMESH_LIBS_QUANT_ATTENTION_PRODUCTS_H_
