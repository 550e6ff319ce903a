// Attention over blocks of keys and values, written once for vectors of any width; see
// products.h for how a table takes it in. Besides what products use, `Simd` has
//
//   kQueries        queries in a tile, at most kMaxTileQueries
//   kSums           vectors of sums that registers hold
//   Exp             to 2 units in the last place; ExpNear, to 2^-18
//   Max, MaxOf (of all lanes), SumOf (of all lanes), Div
//   Within(v, first, end, other)    lanes first <= i < end of v, `other` elsewhere; bounds may lie
//                                   outside the lanes
//   DotPairs(sum, a, b)             sum + the dot product of each lane's two bf16 with those of b
//   FirstOfPairs(a)                 a with the second bf16 of each lane zero
//   StoreBFloats(to, v)             v rounded to bf16
//
// The softmax is taken 128 positions at a time with a running maximum (Milakov and Gimelshein 2018;
// Dao et al. 2022), at the same places whatever shares the tile, so that a query's result depends
// on its own positions alone. Tiles take turns over those positions, which stay in the nearest
// cache meanwhile.
#ifndef RAGMESH_LIBS_QUANT_ATTENTION_H_
#define RAGMESH_LIBS_QUANT_ATTENTION_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "libs/quant/attention_products.h"

namespace ragmesh::quant::simd {

inline constexpr float kMasked = -1e30f;  // a score of nothing, with which sums stay finite

// A query and what is known so far.
struct QueryState {
  const float* query;
  float* out;
  std::size_t first, end;  // positions that are seen
  float most = kMasked;    // the largest score
  float total = 0;         // of the weights
  float* sum;              // of the weighed values, padded_dim
  std::uint32_t* pairs;    // the query in bf16, padded_dim / 2
};

template <typename S, KvType kType, std::size_t kCount>
class AttentionTile {
 public:
  using Floats = typename S::Floats;

  RAGMESH_SIMD_INLINE AttentionTile(const KvAttention& work, const KvLayout& layout,
                                    QueryState* queries)
      : work_(work), layout_(layout), queries_(queries) {
    rows_.scores = work.scratch;
    rows_.weight_pairs =
        reinterpret_cast<std::uint32_t*>(work.scratch + kMaxTileQueries * kScoredPositions);
#pragma GCC unroll 8
    for (std::size_t q = 0; q < kCount; ++q) {
      rows_.query[q] = queries[q].query;
      rows_.pairs[q] = queries[q].pairs;
      rows_.sum[q] = queries[q].sum;
    }
  }

  // Takes in those of kScoredPositions positions from `at` on that a query sees.
  RAGMESH_SIMD_TARGET void Run(std::size_t at) {
    std::size_t begin = queries_[0].first, end = 0;
    for (std::size_t q = 0; q < kCount; ++q) {
      begin = std::min(begin, queries_[q].first);
      end = std::max(end, queries_[q].end);
    }
    const std::size_t stop = std::min(at + kScoredPositions, end);
    const std::size_t start = std::max(at, begin / kBlockPositions * kBlockPositions);
    if (start >= stop) return;
    const TileProducts<S, kType, kCount> products(work_, layout_, rows_);
    products.Score(start, stop, at);
    for (std::size_t q = 0; q < kCount; ++q) {
      const bool all = queries_[q].first <= start && stop <= queries_[q].end &&
                       (stop - start) % kBlockPositions == 0;
      if (all && work_.soft_cap == 0) {
        Weigh<true>(q, at, start, stop);
      } else {
        Weigh<false>(q, at, start, stop);
      }
    }
    products.AddValues(start, stop, at);
  }

 private:
  // Turns the scores of a query into weights, and what it has so far into terms of the new maximum.
  template <bool kPlain>  // all positions are seen, to the end of their block, and no score capped
  RAGMESH_SIMD_INLINE void Weigh(std::size_t q, std::size_t at, std::size_t start,
                                 std::size_t stop) {
    QueryState& query = queries_[q];
    float* scores = rows_.scores + q * kScoredPositions;
    const std::size_t begin = start - at,
                      end = (stop - at + kBlockPositions - 1) / kBlockPositions * kBlockPositions;
    Floats most = S::Set(kMasked);
    for (std::size_t i = begin; i < end; i += S::kWidth) {
      Floats score = S::Load(scores + i);
      if constexpr (!kPlain) {
        if (work_.soft_cap > 0) score = Capped(score);
        score = Seen(query, score, at + i, S::Set(kMasked));
        S::Store(scores + i, score, S::kWidth);
      }
      most = S::Max(most, score);
    }
    const float before = query.most, now = std::max(before, S::MaxOf(most));
    query.most = now;
    Floats total = S::Zero();
    for (std::size_t i = begin; i < end; i += S::kWidth) {
      Floats weight = Power(S::Sub(S::Load(scores + i), S::Set(now)));
      if constexpr (!kPlain) weight = Seen(query, weight, at + i, S::Zero());
      total = S::Add(total, weight);
      if constexpr (kType == KvType::kBF16) {
        S::StoreBFloats(
            reinterpret_cast<std::uint16_t*>(rows_.weight_pairs) + q * kScoredPositions + i,
            weight);
      } else {
        S::Store(scores + i, weight, S::kWidth);
      }
    }
    if (before == now) {
      query.total += S::SumOf(total);
      return;
    }
    alignas(64) float factor[S::kWidth];
    S::Store(factor, S::Exp(S::Set(before - now)), S::kWidth);
    query.total = query.total * factor[0] + S::SumOf(total);
    for (std::size_t i = 0; i < layout_.padded_dim; i += S::kWidth)
      S::Store(query.sum + i, S::Mul(S::Load(query.sum + i), S::Set(factor[0])), S::kWidth);
  }

  // What belongs to positions that the query sees, of those from `position` on.
  static RAGMESH_SIMD_INLINE Floats Seen(const QueryState& query, Floats v, std::size_t position,
                                         Floats other) {
    const auto lane = [position](std::size_t bound) {
      return static_cast<int>(bound) - static_cast<int>(position);
    };
    return S::Within(v, lane(query.first), lane(query.end), other);
  }

  static RAGMESH_SIMD_INLINE Floats Power(Floats x) {
    if constexpr (kType == KvType::kF32) return S::Exp(x);
    return S::ExpNear(x);
  }

  // tanh(x) = 1 - 2 / (exp(2x) + 1), to about 2^-23.
  RAGMESH_SIMD_INLINE Floats Capped(Floats score) const {
    const Floats one = S::Set(1), cap = S::Set(work_.soft_cap);
    const Floats e = S::Exp(S::Mul(score, S::Set(2.0f / work_.soft_cap)));
    return S::Mul(cap, S::Sub(one, S::Div(S::Set(2), S::Add(e, one))));
  }

  const KvAttention& work_;
  const KvLayout& layout_;
  QueryState* const queries_;
  TileRows rows_;
};

template <typename S, KvType kType, std::size_t kCount>
RAGMESH_SIMD_INLINE void RunTile(const KvAttention& work, const KvLayout& layout,
                                 QueryState* queries, std::size_t count, std::size_t at) {
  if (count == kCount) {
    AttentionTile<S, kType, kCount> tile(work, layout, queries);
    return tile.Run(at);
  }
  if constexpr (kCount > 1) RunTile<S, kType, kCount - 1>(work, layout, queries, count, at);
}

// Query `i` of the work, `slot` of its group.
template <typename S, KvType kType>
RAGMESH_SIMD_INLINE QueryState BeginQuery(const KvAttention& work, const KvLayout& layout,
                                          std::size_t i, std::size_t slot) {
  const std::size_t row = i / work.heads, head = i % work.heads;
  float* sums = work.scratch + 2 * kMaxTileQueries * kScoredPositions;
  QueryState query;
  query.query = work.queries + row * work.row_stride + head * work.head_dim;
  query.out = work.out + row * work.out_stride + head * work.head_dim;
  query.end = work.positions[row] + std::size_t{1};
  query.first = work.window > 0 && query.end > work.window ? query.end - work.window : 0;
  query.sum = sums + slot * layout.padded_dim;
  query.pairs = reinterpret_cast<std::uint32_t*>(sums + kGroupQueries * layout.padded_dim) +
                slot * (layout.padded_dim / 2);
  std::fill_n(query.sum, layout.padded_dim, 0.0f);
  if constexpr (kType == KvType::kBF16) {
    std::memset(query.pairs, 0, layout.padded_dim * sizeof(std::uint16_t));
    auto* rounded = reinterpret_cast<std::uint16_t*>(query.pairs);
    std::size_t d = 0;
    for (; d + S::kWidth <= work.head_dim; d += S::kWidth)
      S::StoreBFloats(rounded + d, S::Load(query.query + d));
    for (; d < work.head_dim; ++d) rounded[d] = FloatToBFloat(query.query[d]);
  }
  return query;
}

template <typename S>
RAGMESH_SIMD_INLINE void EndQuery(const QueryState& query, std::size_t head_dim) {
  const float inverse = 1.0f / query.total;
  for (std::size_t d = 0; d < head_dim; d += S::kWidth) {
    S::Store(query.out + d, S::Mul(S::Load(query.sum + d), S::Set(inverse)),
             std::min(S::kWidth, head_dim - d));
  }
}

template <typename S, KvType kType>
RAGMESH_SIMD_TARGET void AttendOf(const KvAttention& work) {
  constexpr std::size_t kTiles = kGroupQueries / kMaxTileQueries;
  const KvLayout layout(kType, work.head_dim);
  const std::size_t all = work.rows * work.heads;
  for (std::size_t i = 0; i < all; i += kTiles * S::kQueries) {
    QueryState queries[kTiles * S::kQueries];
    const std::size_t count = std::min(kTiles * S::kQueries, all - i);
    std::size_t first = SIZE_MAX, end = 0;
    for (std::size_t q = 0; q < count; ++q) {
      queries[q] = BeginQuery<S, kType>(work, layout, i + q, q);
      first = std::min(first, queries[q].first);
      end = std::max(end, queries[q].end);
    }
    for (std::size_t at = first / kScoredPositions * kScoredPositions; at < end;
         at += kScoredPositions) {
      for (std::size_t q = 0; q < count; q += S::kQueries) {
        RunTile<S, kType, S::kQueries>(work, layout, queries + q, std::min(S::kQueries, count - q),
                                       at);
      }
    }
    for (std::size_t q = 0; q < count; ++q) EndQuery<S>(queries[q], work.head_dim);
  }
}

template <typename S>
RAGMESH_SIMD_TARGET void Attend(const KvAttention& work) {
  switch (work.type) {
    case KvType::kF32:
      return AttendOf<S, KvType::kF32>(work);
    case KvType::kF16:
      return AttendOf<S, KvType::kF16>(work);
    case KvType::kBF16:
      return AttendOf<S, KvType::kBF16>(work);
    case KvType::kQ8:
      return AttendOf<S, KvType::kQ8>(work);
  }
}

}  // namespace ragmesh::quant::simd

#endif  // RAGMESH_LIBS_QUANT_ATTENTION_H_
