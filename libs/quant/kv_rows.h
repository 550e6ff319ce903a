// Writes and reads positions of a block of keys and values; see kv_block.h for how they stand. A
// table's file defines RAGMESH_SIMD_TARGET before it includes this. Of `Simd` it needs
//
//   kWidth, Floats, Load, HalfOf, StoreHalves, StoreBFloats (rounded to nearest, ties to even)
#ifndef RAGMESH_LIBS_QUANT_KV_ROWS_H_
#define RAGMESH_LIBS_QUANT_KV_ROWS_H_

#ifndef RAGMESH_SIMD_TARGET
#error "define RAGMESH_SIMD_TARGET, the attribute of the instruction set, before including this"
#endif

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "libs/quant/kv_block.h"
#include "libs/quant/types.h"

namespace ragmesh::quant::simd {

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

// Rounds to f16 or bf16.
template <typename S>
RAGMESH_SIMD_TARGET void StoreRounded(KvType type, const float* x, std::size_t n,
                                      std::uint16_t* out) {
  const bool halves = type == KvType::kF16;
  std::size_t i = 0;
  for (; i + S::kWidth <= n; i += S::kWidth) {
    if (halves) {
      S::StoreHalves(out + i, S::Load(x + i));
    } else {
      S::StoreBFloats(out + i, S::Load(x + i));
    }
  }
  for (; i < n; ++i) out[i] = halves ? FloatToHalf(x[i]) : FloatToBFloat(x[i]);
}

// Places of a position's 16-bit numbers: those of key d at `key(d)`, of value d at `value(d)`.
struct Places16 {
  Places16(KvType type, const KvLayout& layout, std::size_t slot)
      : pairs_(type == KvType::kBF16),
        slot_(slot),
        values_(layout.values / 2 + (pairs_ ? slot / 2 * 2 * layout.padded_dim + slot % 2
                                            : slot * layout.padded_dim)) {}
  std::size_t key(std::size_t d) const {
    return pairs_ ? (d / 2 * kBlockPositions + slot_) * 2 + d % 2 : d * kBlockPositions + slot_;
  }
  std::size_t value(std::size_t d) const { return values_ + (pairs_ ? 2 * d : d); }

 private:
  const bool pairs_;
  const std::size_t slot_, values_;
};

template <typename S>
RAGMESH_SIMD_TARGET void StoreKv16(KvType type, const float* key, const float* value,
                                   std::size_t head_dim, std::size_t slot, std::uint8_t* block) {
  const Places16 places(type, KvLayout(type, head_dim), slot);
  auto* to = reinterpret_cast<std::uint16_t*>(block);
  constexpr std::size_t kPart = 64;
  std::uint16_t keys[kPart], values[kPart];
  for (std::size_t begin = 0; begin < head_dim; begin += kPart) {
    const std::size_t count = std::min(kPart, head_dim - begin);
    StoreRounded<S>(type, key + begin, count, keys);
    StoreRounded<S>(type, value + begin, count, values);
    for (std::size_t i = 0; i < count; ++i) {
      to[places.key(begin + i)] = keys[i];
      to[places.value(begin + i)] = values[i];
    }
  }
}

inline void StoreKvBytes(const float* key, const float* value, std::size_t head_dim,
                         std::size_t slot, std::uint8_t* block) {
  const KvLayout layout(KvType::kQ8, head_dim);
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

// A position's neighbours may be written at the same time, so nothing but its own is touched.
template <typename S>
RAGMESH_SIMD_TARGET void StoreKv(KvType type, const float* key, const float* value,
                                 std::size_t head_dim, std::size_t slot, std::uint8_t* block) {
  switch (type) {
    case KvType::kF32: {
      const KvLayout layout(type, head_dim);
      auto* keys = reinterpret_cast<float*>(block);
      for (std::size_t d = 0; d < head_dim; ++d) keys[d * kBlockPositions + slot] = key[d];
      std::memcpy(block + layout.values + slot * layout.padded_dim * sizeof(float), value,
                  head_dim * sizeof(float));
      return;
    }
    case KvType::kF16:
    case KvType::kBF16:
      return StoreKv16<S>(type, key, value, head_dim, slot, block);
    case KvType::kQ8:
      return StoreKvBytes(key, value, head_dim, slot, block);
  }
}

// Reads back what StoreKv has written.
template <typename S>
RAGMESH_SIMD_TARGET void LoadKv(KvType type, const std::uint8_t* block, std::size_t slot,
                                std::size_t head_dim, float* key, float* value) {
  const KvLayout layout(type, head_dim);
  if (type == KvType::kF32) {
    const auto* keys = reinterpret_cast<const float*>(block);
    for (std::size_t d = 0; d < head_dim; ++d) key[d] = keys[d * kBlockPositions + slot];
    std::memcpy(value, block + layout.values + slot * layout.padded_dim * sizeof(float),
                head_dim * sizeof(float));
    return;
  }
  if (type != KvType::kQ8) {
    const Places16 places(type, layout, slot);
    const auto* from = reinterpret_cast<const std::uint16_t*>(block);
    for (std::size_t d = 0; d < head_dim; ++d) {
      const std::uint16_t k = from[places.key(d)], v = from[places.value(d)];
      key[d] = type == KvType::kF16 ? S::HalfOf(k) : BFloatToFloat(k);
      value[d] = type == KvType::kF16 ? S::HalfOf(v) : BFloatToFloat(v);
    }
    return;
  }
  const auto* keys = reinterpret_cast<const std::int8_t*>(block);
  const auto* row =
      reinterpret_cast<const std::int8_t*>(block + layout.values) + slot * layout.padded_dim;
  const auto* key_scales = reinterpret_cast<const std::uint16_t*>(block + layout.key_scales);
  const auto* value_scales = reinterpret_cast<const std::uint16_t*>(block + layout.value_scales);
  const std::size_t runs = (head_dim + kScaleDims - 1) / kScaleDims;
  for (std::size_t d = 0; d < head_dim; ++d) {
    const std::size_t run = d / kScaleDims;
    key[d] = keys[d * kBlockPositions + slot] * S::HalfOf(key_scales[run * kBlockPositions + slot]);
    value[d] = row[d] * S::HalfOf(value_scales[slot * runs + run]);
  }
}

}  // namespace ragmesh::quant::simd

#endif  // RAGMESH_LIBS_QUANT_KV_ROWS_H_
