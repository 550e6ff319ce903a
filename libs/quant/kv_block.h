// How keys and values of 32 consecutive positions stand in memory, for one layer and one head of
// keys and values.
//
//   keys [d][p]; values [p][d]      p position in the block, d dimension
//   q8 also: key scales f16 [d / 32][p]; value scales f16 [p][d / 32]
//   bf16: keys [d / 2][p][d % 2]; values [p / 2][d][p % 2]: the pairs of one dot product
//
// Scores of neighbouring positions are lanes of one vector, so keys stand across, and no sum is
// folded across lanes; dimensions of an output are lanes too, so values stand along. Rows of values
// are padded to whole vectors with zeros that stay zero.
#ifndef RAGMESH_LIBS_QUANT_KV_BLOCK_H_
#define RAGMESH_LIBS_QUANT_KV_BLOCK_H_

#include <cstddef>
#include <cstdint>

namespace ragmesh::quant {

enum class KvType : std::uint8_t {
  kF32,
  kF16,
  kBF16,  // as are queries and weights: for processors with dot products of its pairs
  kQ8,    // bytes, with a scale for each 32 dimensions of a position; x = scale * q, |q| <= 127
};

inline constexpr std::size_t kBlockPositions = 32;
inline constexpr std::size_t kScaleDims = 32;  // of q8

constexpr std::size_t KvElementBytes(KvType type) {
  return type == KvType::kF32 ? 4 : type == KvType::kQ8 ? 1 : 2;
}

// Offsets in bytes of the parts of a block; keys are at 0. All are multiples of 64.
struct KvLayout {
  KvLayout(KvType type, std::size_t head_dim)
      : padded_dim((head_dim + 15) / 16 * 16),
        values(kBlockPositions * padded_dim * KvElementBytes(type)),
        key_scales(2 * values),
        value_scales(key_scales + ScaleBytes(type, head_dim)),
        bytes(value_scales + ScaleBytes(type, head_dim)) {}

  std::size_t padded_dim, values, key_scales, value_scales, bytes;

 private:
  static std::size_t ScaleBytes(KvType type, std::size_t head_dim) {
    if (type != KvType::kQ8) return 0;
    return (head_dim + kScaleDims - 1) / kScaleDims * kBlockPositions * 2;
  }
};

// Query rows of one stream against one head of its keys and values. Row r, of `rows`, has `heads`
// query heads that share these keys: query h of row r begins at queries + r * row_stride + h *
// head_dim, its result at out + r * out_stride + h * head_dim. It sees positions positions[r] and
// before, as many as `window`.
struct KvAttention {
  KvType type = KvType::kF32;
  std::size_t head_dim = 0;
  const std::uint8_t* const* blocks = nullptr;  // of positions 0 to 31, 32 to 63 and so on
  std::size_t offset = 0;                       // of the layer and head in each block
  const float* queries = nullptr;
  std::size_t row_stride = 0;
  std::size_t rows = 0;
  std::size_t heads = 0;
  const std::uint32_t* positions = nullptr;
  std::size_t window = 0;  // 0: all
  float scale = 1;         // of the scores, before the softmax
  float soft_cap = 0;      // above 0: a scaled score s becomes soft_cap * tanh(s / soft_cap)
  float* out = nullptr;
  std::size_t out_stride = 0;
  float* scratch = nullptr;  // AttentionScratchFloats(head_dim), 64-byte aligned
};

// Positions of one block that are to stand in another: values as they are, keys turned, as
// QuantKernels::rotate does, by the angles of the way between.
struct KvCopy {
  KvType type = KvType::kF32;
  std::size_t head_dim = 0;
  const std::uint8_t* from = nullptr;
  std::size_t from_slot = 0;
  std::uint8_t* to = nullptr;
  std::size_t to_slot = 0;
  std::size_t count = 0;  // with either slot at most kBlockPositions
  const float* cosines = nullptr;
  const float* sines = nullptr;
  std::size_t half = 0;  // angles
  bool halves = false;
};

// Positions whose scores are held at a time, queries that are worked on together, and queries for
// which those positions stay in the nearest cache.
inline constexpr std::size_t kScoredPositions = 4 * kBlockPositions;
inline constexpr std::size_t kMaxTileQueries = 6;
inline constexpr std::size_t kGroupQueries = 4 * kMaxTileQueries;
// Scores and weights of a tile; sums and rounded queries of a group.
constexpr std::size_t AttentionScratchFloats(std::size_t head_dim) {
  return 2 * kMaxTileQueries * kScoredPositions +
         kGroupQueries * 3 * ((head_dim + 15) / 16 * 16) / 2;
}

}  // namespace ragmesh::quant

#endif  // RAGMESH_LIBS_QUANT_KV_BLOCK_H_
