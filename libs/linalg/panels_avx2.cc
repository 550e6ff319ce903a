// Matrix products, 256 bits wide: tiles of 6 rows by 16 columns, and what turns their sums into
// results.
#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/tile_avx2.h"

namespace ragmesh::linalg::avx2 {
namespace {

// The columns of one panel that are wanted, and what is added to or multiplied into them.
struct Columns {
  bool all;  // then no mask is needed: masked stores are slow on processors that need this table
  __m256i mask[2];
  __m256 bias[2];
  __m256 scale[2];
  __m256 sum[2];
};

RAGMESH_AVX2 Columns LoadColumns(const PanelProduct& p) {
  Columns columns;
  columns.all = p.columns == kPanelWidth;
  for (std::size_t v = 0; v < 2; ++v) {
    columns.mask[v] = Lanes(p.columns > 8 * v ? p.columns - 8 * v : 0);
    columns.bias[v] = p.bias == nullptr ? _mm256_setzero_ps()
                                        : _mm256_maskload_ps(p.bias + 8 * v, columns.mask[v]);
    columns.scale[v] = p.column_scales == nullptr
                           ? _mm256_setzero_ps()
                           : _mm256_maskload_ps(p.column_scales + 8 * v, columns.mask[v]);
    columns.sum[v] = p.column_sums == nullptr
                         ? _mm256_setzero_ps()
                         : _mm256_maskload_ps(p.column_sums + 8 * v, columns.mask[v]);
  }
  return columns;
}

RAGMESH_AVX2 inline void StoreRow(const Columns& columns, __m256 left, __m256 right, float* out) {
  if (columns.all) {
    _mm256_storeu_ps(out, left);
    _mm256_storeu_ps(out + 8, right);
  } else {
    _mm256_maskstore_ps(out, columns.mask[0], left);
    _mm256_maskstore_ps(out + 8, columns.mask[1], right);
  }
}

// As PanelKernel says of int8; `sums` are of weights to which `weight_offset` was added.
RAGMESH_AVX2 void ScaleSums(const PanelProduct& p, const Columns& columns, const std::int32_t* sums,
                            int weight_offset, std::size_t first, std::size_t rows) {
  for (std::size_t r = first; r < first + rows; ++r, sums += kPanelWidth) {
    const QuantizedRow& row = p.quantized_rows[r];
    const __m256i excess = _mm256_set1_epi32(weight_offset * row.sum);
    const __m256 scale = _mm256_set1_ps(row.scale), offset = _mm256_set1_ps(row.offset);
    __m256 values[2];
    for (std::size_t v = 0; v < 2; ++v) {
      const __m256i sum = _mm256_load_si256(reinterpret_cast<const __m256i*>(sums + 8 * v));
      const __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_sub_epi32(sum, excess)), scale);
      values[v] = _mm256_fmadd_ps(scaled, columns.scale[v],
                                  _mm256_fmadd_ps(offset, columns.sum[v], columns.bias[v]));
    }
    StoreRow(columns, values[0], values[1], p.out + r * p.out_stride);
  }
}

// sums = the products of `rows` rows from `first`.
void RunTile(const PanelProduct& p, const TileFunction (&tiles)[kTileRows], std::size_t first,
             std::size_t rows, void* sums) {
  tiles[rows - 1]({.a = static_cast<const char*>(p.a) + first * p.a_stride_bytes,
                   .a_stride = p.a_stride_bytes,
                   .b = static_cast<const char*>(p.panel),
                   .groups = p.groups,
                   .out = static_cast<char*>(sums),
                   .out_stride = kPanelWidth * 4});
}

// What AVX2 alone has no tile for: the bytes of rows, a piece of limited length at a time, become
// words, so that products of bytes add up without saturating.
constexpr std::size_t kPieceGroups = 128;

struct alignas(32) Words {
  std::int16_t row[kTileRows][4 * kPieceGroups];
};

RAGMESH_AVX2 void Widen(const char* row, std::size_t bytes, std::int16_t* words) {
  std::size_t i = 0;
  for (; i + 16 <= bytes; i += 16) {
    const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(row + i));
    _mm256_store_si256(reinterpret_cast<__m256i*>(words + i), _mm256_cvtepi8_epi16(values));
  }
  for (; i < bytes; ++i) words[i] = static_cast<std::int8_t>(row[i]);
}

// sums[c] += pairs[2c] + pairs[2c + 1] for 8 columns.
RAGMESH_AVX2 inline void AddPairs(const std::int32_t* pairs, std::int32_t* sums) {
  const auto* from = reinterpret_cast<const __m256i*>(pairs);
  auto* to = reinterpret_cast<__m256i*>(sums);
  // Columns 0, 1, 4, 5, 2, 3, 6, 7.
  const __m256i mixed = _mm256_hadd_epi32(_mm256_load_si256(from), _mm256_load_si256(from + 1));
  _mm256_store_si256(
      to, _mm256_add_epi32(_mm256_load_si256(to), _mm256_permute4x64_epi64(mixed, 0xD8)));
}

RAGMESH_AVX2 void AddPiece(const PanelProduct& p, std::size_t first, std::size_t rows,
                           std::size_t group, std::int32_t* sums) {
  const std::size_t groups = std::min(kPieceGroups, p.groups - group);
  Words words;
  for (std::size_t r = 0; r < rows; ++r) {
    Widen(static_cast<const char*>(p.a) + (first + r) * p.a_stride_bytes + 4 * group, 4 * groups,
          words.row[r]);
  }
  alignas(32) std::int32_t pairs[kTileRows * kPanelWidth];
  for (std::size_t column = 0; column < kPanelWidth; column += 8) {
    WordsTiles[rows - 1]({.a = reinterpret_cast<const char*>(words.row),
                          .a_stride = sizeof(words.row[0]),
                          .b = static_cast<const char*>(p.panel) + group * kGroupBytes + 4 * column,
                          .groups = groups,
                          .out = reinterpret_cast<char*>(pairs),
                          .out_stride = kPanelWidth * sizeof(std::int32_t)});
    for (std::size_t r = 0; r < rows; ++r)
      AddPairs(pairs + r * kPanelWidth, sums + r * kPanelWidth + column);
  }
}

}  // namespace

RAGMESH_AVX2 void MultiplyF32(const PanelProduct& p) {
  const Columns columns = LoadColumns(p);
  alignas(32) float sums[kTileRows * kPanelWidth];
  for (std::size_t first = 0; first < p.rows; first += kTileRows) {
    const std::size_t rows = std::min(kTileRows, p.rows - first);
    RunTile(p, F32Tiles, first, rows, sums);
    for (std::size_t r = 0; r < rows; ++r) {
      const float* sum = sums + r * kPanelWidth;
      StoreRow(columns, _mm256_add_ps(_mm256_load_ps(sum), columns.bias[0]),
               _mm256_add_ps(_mm256_load_ps(sum + 8), columns.bias[1]),
               p.out + (first + r) * p.out_stride);
    }
  }
}

RAGMESH_AVX2 void MultiplyInt8(const PanelProduct& p) {
  const Columns columns = LoadColumns(p);
  for (std::size_t first = 0; first < p.rows; first += kTileRows) {
    const std::size_t rows = std::min(kTileRows, p.rows - first);
    alignas(32) std::int32_t sums[kTileRows * kPanelWidth] = {};
    for (std::size_t group = 0; group < p.groups; group += kPieceGroups)
      AddPiece(p, first, rows, group, sums);
    ScaleSums(p, columns, sums, 0, first, rows);
  }
}

RAGMESH_AVX2 void MultiplyInt8Vnni(const PanelProduct& p) {
  const Columns columns = LoadColumns(p);
  alignas(32) std::int32_t sums[kTileRows * kPanelWidth];
  for (std::size_t first = 0; first < p.rows; first += kTileRows) {
    const std::size_t rows = std::min(kTileRows, p.rows - first);
    RunTile(p, VnniTiles, first, rows, sums);
    ScaleSums(p, columns, sums, kVnniWeightOffset, first, rows);
  }
}

}  // namespace ragmesh::linalg::avx2

#endif  // defined(__x86_64__)
