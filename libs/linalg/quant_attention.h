// Attention over blocks of keys and values, written once for vectors of any width; see
// quant_products.h for how a table takes it in. Besides what products use, `Simd` has
//
//   kQueries          queries in a tile, at most kMaxTileQueries
//   Exp, Max, MaxOf (of all lanes), SumOf (of all lanes), Div
//   Within(v, first, end, other)    lanes first <= i < end of v, `other` elsewhere; bounds may lie
//                                   outside the lanes
//
// The softmax is taken 128 positions at a time with a running maximum (Milakov and Gimelshein 2018;
// Dao et al. 2022), at the same places whatever shares the tile, so that a query's result depends
// on its own positions alone.
#ifndef RAGMESH_LIBS_LINALG_QUANT_ATTENTION_H_
#define RAGMESH_LIBS_LINALG_QUANT_ATTENTION_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "libs/linalg/kv_block.h"
#include "libs/linalg/quant_products.h"

namespace ragmesh::linalg::quant {

inline constexpr float kMasked = -1e30f;  // a score of nothing, with which sums stay finite

template <typename S, KvType kType>
RAGMESH_SIMD_INLINE typename S::Floats Cached(const std::uint8_t* part, std::size_t index) {
  if constexpr (kType == KvType::kF16) return S::Halves(part + 2 * index);
  if constexpr (kType == KvType::kQ8) return S::SignedBytes(part + index);
  return S::Load(reinterpret_cast<const float*>(part) + index);
}

// Queries of a tile: which, and where they have got to.
template <typename S>
struct Queries {
  const float* query[S::kQueries];
  float* out[S::kQueries];
  std::size_t first[S::kQueries], end[S::kQueries];  // positions that are seen
  float most[S::kQueries];                           // the largest score so far
  float total[S::kQueries];                          // of the weights so far
};

template <typename S, KvType kType, std::size_t kCount>
class AttentionTile {
 public:
  using Floats = typename S::Floats;

  RAGMESH_SIMD_INLINE AttentionTile(const KvAttention& work, Queries<S>& queries)
      : work_(work),
        queries_(queries),
        layout_(kType, work.head_dim),
        scores_(work.scratch),
        sums_(work.scratch + kMaxTileQueries * kScoredPositions) {}

  RAGMESH_SIMD_TARGET void Run() {
    std::size_t begin = queries_.first[0], end = 0;
    for (std::size_t q = 0; q < kCount; ++q) {
      begin = std::min(begin, queries_.first[q]);
      end = std::max(end, queries_.end[q]);
      queries_.most[q] = kMasked;
      queries_.total[q] = 0;
    }
    std::fill_n(sums_, kCount * layout_.padded_dim, 0.0f);
    for (std::size_t at = begin / kScoredPositions * kScoredPositions; at < end;
         at += kScoredPositions) {
      const std::size_t stop = std::min(at + kScoredPositions, end);
      const std::size_t start = std::max(at, begin / kBlockPositions * kBlockPositions);
      Score(start, stop, at);
      for (std::size_t q = 0; q < kCount; ++q) Weigh(q, at, start, stop);
      for (std::size_t p = start; p < stop; p += kBlockPositions)
        AddValues(p, at, std::min(stop - p, kBlockPositions));
    }
    for (std::size_t q = 0; q < kCount; ++q) {
      const float inverse = 1.0f / queries_.total[q];
      const float* sum = sums_ + q * layout_.padded_dim;
      for (std::size_t i = 0; i < work_.head_dim; ++i) queries_.out[q][i] = sum[i] * inverse;
    }
  }

 private:
  static constexpr std::size_t kVectors = kBlockPositions / S::kWidth;  // of positions in a block

  RAGMESH_SIMD_INLINE const std::uint8_t* Block(std::size_t position) const {
    return work_.blocks[position / kBlockPositions] + work_.offset;
  }

  // Vectors of positions that are scored together: each sum waits for itself at every dimension, so
  // there are as many as registers hold. A position's own sum is the same in any company.
  static constexpr std::size_t Together() {
    constexpr std::size_t kSums = 12;
    std::size_t wide = kScoredPositions / S::kWidth;
    while (wide > 1 && wide * kCount > kSums) wide /= 2;
    return wide;
  }

  // Scores of positions `start` to `stop`, to the end of the last block, for all queries.
  RAGMESH_SIMD_INLINE void Score(std::size_t start, std::size_t stop, std::size_t at) {
    const std::size_t end = (stop + kBlockPositions - 1) / kBlockPositions * kBlockPositions;
    constexpr std::size_t kMost = Together(), kLeast = std::min(kMost, kVectors);
    std::size_t p = start;
    for (; p + kMost * S::kWidth <= end; p += kMost * S::kWidth) ScoreVectors<kMost>(p, p - at);
    for (; p < end; p += kLeast * S::kWidth) ScoreVectors<kLeast>(p, p - at);
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void ScoreVectors(std::size_t position, std::size_t column) {
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
    if constexpr (kType == KvType::kQ8) {
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
        S::Store(scores_ + q * kScoredPositions + column + v * S::kWidth, S::Mul(sum[q][v], scale),
                 S::kWidth);
      }
    }
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void AddKeys(const std::uint8_t* const (&keys)[kWide],
                                   const std::size_t (&lane)[kWide], std::size_t begin,
                                   std::size_t end, Floats (&sum)[kCount][kWide]) {
    for (std::size_t d = begin; d < end; ++d) {
      Floats key[kWide];
#pragma GCC unroll 8
      for (std::size_t v = 0; v < kWide; ++v)
        key[v] = Cached<S, kType>(keys[v], d * kBlockPositions + lane[v]);
#pragma GCC unroll 8
      for (std::size_t q = 0; q < kCount; ++q) {
        const Floats x = S::Set(queries_.query[q][d]);
#pragma GCC unroll 8
        for (std::size_t v = 0; v < kWide; ++v) sum[q][v] = S::Fma(key[v], x, sum[q][v]);
      }
    }
  }

  // Turns the scores of a query into weights, and what it has so far into terms of the new maximum.
  RAGMESH_SIMD_INLINE void Weigh(std::size_t q, std::size_t at, std::size_t start,
                                 std::size_t stop) {
    float* scores = scores_ + q * kScoredPositions;
    const auto relative = [at](std::size_t position, std::size_t lane) {
      return static_cast<int>(position) - static_cast<int>(at + lane);
    };
    const Floats masked = S::Set(kMasked);
    Floats most = masked;
    for (std::size_t i = start - at; i < stop - at; i += S::kWidth) {
      Floats score = S::Load(scores + i);
      if (work_.soft_cap > 0) score = Capped(score);
      score =
          S::Within(score, relative(queries_.first[q], i), relative(queries_.end[q], i), masked);
      S::Store(scores + i, score, S::kWidth);
      most = S::Max(most, score);
    }
    const float before = queries_.most[q], now = std::max(before, S::MaxOf(most));
    queries_.most[q] = now;
    Floats total = S::Zero();
    for (std::size_t i = start - at; i < stop - at; i += S::kWidth) {
      const Floats weight =
          S::Within(S::Exp(S::Sub(S::Load(scores + i), S::Set(now))),
                    relative(queries_.first[q], i), relative(queries_.end[q], i), S::Zero());
      S::Store(scores + i, weight, S::kWidth);
      total = S::Add(total, weight);
    }
    alignas(64) float factor[S::kWidth];
    S::Store(factor, S::Exp(S::Set(before - now)), S::kWidth);
    queries_.total[q] = queries_.total[q] * factor[0] + S::SumOf(total);
    if (before == now) return;
    float* sum = sums_ + q * layout_.padded_dim;
    for (std::size_t i = 0; i < layout_.padded_dim; i += S::kWidth)
      S::Store(sum + i, S::Mul(S::Load(sum + i), S::Set(factor[0])), S::kWidth);
  }

  // tanh(x) = 1 - 2 / (exp(2x) + 1), to about 2^-23.
  RAGMESH_SIMD_INLINE Floats Capped(Floats score) const {
    const Floats one = S::Set(1), cap = S::Set(work_.soft_cap);
    const Floats e = S::Exp(S::Mul(score, S::Set(2.0f / work_.soft_cap)));
    return S::Mul(cap, S::Sub(one, S::Div(S::Set(2), S::Add(e, one))));
  }

  // Adds the first `count` values of the block at `position`, weighed, to the sums.
  RAGMESH_SIMD_INLINE void AddValues(std::size_t position, std::size_t at, std::size_t count) {
    const std::uint8_t* block = Block(position);
    std::size_t i = 0;
    for (; i + 4 * S::kWidth <= layout_.padded_dim; i += 4 * S::kWidth)
      AddSlice<4>(block, i, position - at, count);
    for (; i < layout_.padded_dim; i += S::kWidth) AddSlice<1>(block, i, position - at, count);
  }

  template <std::size_t kWide>
  RAGMESH_SIMD_INLINE void AddSlice(const std::uint8_t* block, std::size_t begin,
                                    std::size_t column, std::size_t count) {
    Floats sum[kCount][kWide];
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kWide; ++v)
        sum[q][v] = S::Load(sums_ + q * layout_.padded_dim + begin + v * S::kWidth);
    }
    const std::uint8_t* values = block + layout_.values;
    for (std::size_t p = 0; p < count; ++p) {
      Floats value[kWide];
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kWide; ++v) {
        value[v] = Cached<S, kType>(values, p * layout_.padded_dim + begin + v * S::kWidth);
        if constexpr (kType == KvType::kQ8)
          value[v] = S::Mul(value[v], S::Set(ValueScale(block, p, begin + v * S::kWidth)));
      }
#pragma GCC unroll 8
      for (std::size_t q = 0; q < kCount; ++q) {
        const Floats weight = S::Set(scores_[q * kScoredPositions + column + p]);
#pragma GCC unroll 4
        for (std::size_t v = 0; v < kWide; ++v) sum[q][v] = S::Fma(weight, value[v], sum[q][v]);
      }
    }
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
#pragma GCC unroll 4
      for (std::size_t v = 0; v < kWide; ++v)
        S::Store(sums_ + q * layout_.padded_dim + begin + v * S::kWidth, sum[q][v], S::kWidth);
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
  Queries<S>& queries_;
  const KvLayout layout_;
  float* const scores_;  // [query][position]
  float* const sums_;    // [query][dimension]
};

template <typename S, KvType kType, std::size_t kCount>
RAGMESH_SIMD_INLINE void AttendCount(const KvAttention& work, Queries<S>& queries,
                                     std::size_t count) {
  if (count == kCount) {
    AttentionTile<S, kType, kCount> tile(work, queries);
    return tile.Run();
  }
  if constexpr (kCount > 1) AttendCount<S, kType, kCount - 1>(work, queries, count);
}

template <typename S, KvType kType>
RAGMESH_SIMD_TARGET void AttendOf(const KvAttention& work) {
  const std::size_t all = work.rows * work.heads;
  for (std::size_t i = 0; i < all; i += S::kQueries) {
    Queries<S> queries;
    const std::size_t count = std::min(S::kQueries, all - i);
    for (std::size_t q = 0; q < count; ++q) {
      const std::size_t row = (i + q) / work.heads, head = (i + q) % work.heads;
      const std::size_t end = work.positions[row] + std::size_t{1};
      queries.query[q] = work.queries + row * work.row_stride + head * work.head_dim;
      queries.out[q] = work.out + row * work.out_stride + head * work.head_dim;
      queries.end[q] = end;
      queries.first[q] = work.window > 0 && end > work.window ? end - work.window : 0;
    }
    AttendCount<S, kType, S::kQueries>(work, queries, count);
  }
}

template <typename S>
RAGMESH_SIMD_TARGET void Attend(const KvAttention& work) {
  switch (work.type) {
    case KvType::kF32:
      return AttendOf<S, KvType::kF32>(work);
    case KvType::kF16:
      return AttendOf<S, KvType::kF16>(work);
    case KvType::kQ8:
      return AttendOf<S, KvType::kQ8>(work);
  }
}

// Rounds 32 values or fewer; the scale is stored as f16, so it is rounded first.
inline std::uint16_t RoundToBytes(const float* x, std::size_t count, std::int8_t* q) {
  float largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(x[i]));
  const std::uint16_t half = FloatToHalf(largest / 127.0f);
  const float scale = HalfToFloat(half), inverse = scale > 0 ? 1.0f / scale : 0.0f;
  for (std::size_t i = 0; i < count; ++i) {
    // Rounding the scale down can lift a value over 127; what is not a number becomes -127.
    const float rounded = std::nearbyint(x[i] * inverse);
    q[i] = static_cast<std::int8_t>(rounded >= -127.0f ? std::min(rounded, 127.0f) : -127.0f);
  }
  return half;
}

template <typename S>
RAGMESH_SIMD_TARGET void StoreHalves(const float* x, std::size_t n, std::uint16_t* out) {
  std::size_t i = 0;
  for (; i + S::kWidth <= n; i += S::kWidth) S::StoreHalves(out + i, S::Load(x + i));
  for (; i < n; ++i) out[i] = FloatToHalf(x[i]);
}

template <typename S>
RAGMESH_SIMD_TARGET void StoreKv(KvType type, const float* key, const float* value,
                                 std::size_t head_dim, std::size_t slot, std::uint8_t* block) {
  const KvLayout layout(type, head_dim);
  if (type == KvType::kF32) {
    auto* keys = reinterpret_cast<float*>(block);
    for (std::size_t d = 0; d < head_dim; ++d) keys[d * kBlockPositions + slot] = key[d];
    std::memcpy(block + layout.values + slot * layout.padded_dim * sizeof(float), value,
                head_dim * sizeof(float));
    return;
  }
  constexpr std::size_t kPart = 64;
  if (type == KvType::kF16) {
    auto* keys = reinterpret_cast<std::uint16_t*>(block);
    std::uint16_t halves[kPart];
    for (std::size_t begin = 0; begin < head_dim; begin += kPart) {
      const std::size_t count = std::min(kPart, head_dim - begin);
      StoreHalves<S>(key + begin, count, halves);
      for (std::size_t i = 0; i < count; ++i)
        keys[(begin + i) * kBlockPositions + slot] = halves[i];
    }
    StoreHalves<S>(
        value, head_dim,
        reinterpret_cast<std::uint16_t*>(block + layout.values) + slot * layout.padded_dim);
    return;
  }
  auto* keys = reinterpret_cast<std::int8_t*>(block);
  auto* values = reinterpret_cast<std::int8_t*>(block + layout.values) + slot * layout.padded_dim;
  auto* key_scales = reinterpret_cast<std::uint16_t*>(block + layout.key_scales);
  auto* value_scales = reinterpret_cast<std::uint16_t*>(block + layout.value_scales);
  const std::size_t runs = (head_dim + kScaleDims - 1) / kScaleDims;
  for (std::size_t run = 0; run < runs; ++run) {
    const std::size_t begin = run * kScaleDims, count = std::min(kScaleDims, head_dim - begin);
    std::int8_t q[kScaleDims];
    key_scales[run * kBlockPositions + slot] = RoundToBytes(key + begin, count, q);
    for (std::size_t i = 0; i < count; ++i) keys[(begin + i) * kBlockPositions + slot] = q[i];
    value_scales[slot * runs + run] = RoundToBytes(value + begin, count, values + begin);
  }
}

// Reads back what StoreKv has written.
template <typename S>
RAGMESH_SIMD_TARGET void LoadKv(KvType type, const std::uint8_t* block, std::size_t slot,
                                std::size_t head_dim, float* key, float* value) {
  const KvLayout layout(type, head_dim);
  const std::uint8_t* values = block + layout.values;
  if (type == KvType::kF32) {
    const auto* keys = reinterpret_cast<const float*>(block);
    for (std::size_t d = 0; d < head_dim; ++d) key[d] = keys[d * kBlockPositions + slot];
    std::memcpy(value, values + slot * layout.padded_dim * sizeof(float), head_dim * sizeof(float));
    return;
  }
  if (type == KvType::kF16) {
    const auto* keys = reinterpret_cast<const std::uint16_t*>(block);
    for (std::size_t d = 0; d < head_dim; ++d) key[d] = S::HalfOf(keys[d * kBlockPositions + slot]);
    const auto* row = reinterpret_cast<const std::uint16_t*>(values) + slot * layout.padded_dim;
    for (std::size_t d = 0; d < head_dim; ++d) value[d] = S::HalfOf(row[d]);
    return;
  }
  const auto* keys = reinterpret_cast<const std::int8_t*>(block);
  const auto* row = reinterpret_cast<const std::int8_t*>(values) + slot * layout.padded_dim;
  const auto* key_scales = reinterpret_cast<const std::uint16_t*>(block + layout.key_scales);
  const auto* value_scales = reinterpret_cast<const std::uint16_t*>(block + layout.value_scales);
  const std::size_t runs = (head_dim + kScaleDims - 1) / kScaleDims;
  for (std::size_t d = 0; d < head_dim; ++d) {
    const std::size_t run = d / kScaleDims;
    key[d] = keys[d * kBlockPositions + slot] * S::HalfOf(key_scales[run * kBlockPositions + slot]);
    value[d] = row[d] * S::HalfOf(value_scales[slot * runs + run]);
  }
}

}  // namespace ragmesh::linalg::quant

#endif  // RAGMESH_LIBS_LINALG_QUANT_ATTENTION_H_
