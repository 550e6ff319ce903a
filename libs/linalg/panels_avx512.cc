// Matrix products, 512 bits wide: tiles of 6 rows by 64 columns.
#if defined(__x86_64__)

// gcc 12 takes the undefined registers of its own intrinsics for uninitialised variables.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"

#include <immintrin.h>

#include <algorithm>

#include "libs/linalg/kernel_tables.h"
#include "libs/linalg/math_avx512.h"
#include "libs/linalg/panel_results_avx512.h"
#include "libs/linalg/tile_avx512.h"

namespace ragmesh::linalg::avx512 {
namespace {

constexpr std::size_t kRows = 6;

using TileFunction = void (*)(const Tile&);

RAGMESH_AVX512 inline void AddBias(const PanelProduct& p, const TileFunction (&tiles)[kRows]) {
  const PanelResults results(p);
  alignas(64) float sums[kRows * kPanelWidth];
  for (std::size_t first = 0; first < p.rows; first += kRows) {
    const std::size_t rows = std::min(kRows, p.rows - first);
    tiles[rows - 1]({.a = static_cast<const char*>(p.a) + first * p.a_stride_bytes,
                     .a_stride = p.a_stride_bytes,
                     .b = static_cast<const char*>(p.panel),
                     .groups = p.groups,
                     .out = reinterpret_cast<char*>(sums),
                     .out_stride = kPanelWidth * sizeof(float)});
    results.AddBias(sums, first, rows);
  }
  if (p.gelu) GeluOf(p);
}

// Without vpdpbusd the bytes of rows, a piece of limited length at a time, become words, so that
// products of bytes add up without saturating.
constexpr std::size_t kPieceGroups = 128;

struct alignas(64) Words {
  std::int16_t row[kRows][4 * kPieceGroups];
};

RAGMESH_AVX512 void Widen(const char* row, std::size_t bytes, std::int16_t* words) {
  for (std::size_t i = 0; i < bytes; i += 32) {
    const __mmask32 mask =
        bytes - i >= 32 ? ~__mmask32{0} : static_cast<__mmask32>((1u << (bytes - i)) - 1);
    _mm512_store_si512(words + i, _mm512_cvtepi8_epi16(_mm256_maskz_loadu_epi8(mask, row + i)));
  }
}

// sums[c] += pairs[2c] + pairs[2c + 1] for 8 columns.
RAGMESH_AVX512 inline void AddPairs(const std::int32_t* pairs, std::int32_t* sums) {
  const __m512i pair = _mm512_load_si512(pairs);
  const __m512i added = _mm512_add_epi32(pair, _mm512_srli_epi64(pair, 32));
  auto* to = reinterpret_cast<__m256i*>(sums);
  _mm256_store_si256(to, _mm256_add_epi32(_mm256_load_si256(to), _mm512_cvtepi64_epi32(added)));
}

RAGMESH_AVX512 void AddPiece(const PanelProduct& p, std::size_t first, std::size_t rows,
                             std::size_t group, std::int32_t* sums) {
  static constexpr TileFunction kTiles[kRows] = {WideWords<1>, WideWords<2>, WideWords<3>,
                                                 WideWords<4>, WideWords<5>, WideWords<6>};
  constexpr std::size_t kColumns = 32;
  const std::size_t groups = std::min(kPieceGroups, p.groups - group);
  Words words;
  for (std::size_t r = 0; r < rows; ++r) {
    Widen(static_cast<const char*>(p.a) + (first + r) * p.a_stride_bytes + 4 * group, 4 * groups,
          words.row[r]);
  }
  alignas(64) std::int32_t pairs[kRows * 2 * kColumns];
  for (std::size_t column = 0; column < kPanelWidth; column += kColumns) {
    kTiles[rows - 1]({.a = reinterpret_cast<const char*>(words.row),
                      .a_stride = sizeof(words.row[0]),
                      .b = static_cast<const char*>(p.panel) + 4 * (group * kPanelWidth + column),
                      .groups = groups,
                      .out = reinterpret_cast<char*>(pairs),
                      .out_stride = 2 * kColumns * sizeof(std::int32_t)});
    for (std::size_t r = 0; r < rows; ++r) {
      for (std::size_t c = 0; c < kColumns; c += 8)
        AddPairs(pairs + 2 * (r * kColumns + c), sums + r * kPanelWidth + column + c);
    }
  }
}

}  // namespace

RAGMESH_AVX512 void MultiplyF32(const PanelProduct& p) {
  static constexpr TileFunction kTiles[kRows] = {WideF32<1>, WideF32<2>, WideF32<3>,
                                                 WideF32<4>, WideF32<5>, WideF32<6>};
  AddBias(p, kTiles);
}

RAGMESH_AVX512 void MultiplyBf16(const PanelProduct& p) {
  static constexpr TileFunction kTiles[kRows] = {WideBf16<1>, WideBf16<2>, WideBf16<3>,
                                                 WideBf16<4>, WideBf16<5>, WideBf16<6>};
  AddBias(p, kTiles);
}

RAGMESH_AVX512 void MultiplyInt8Vnni(const PanelProduct& p) {
  using ResultsFunction = void (*)(const Tile&, const TileColumns&, const std::int32_t*,
                                   const QuantizedRow*, const char*);
  static constexpr ResultsFunction kTiles[kRows] = {WideVnniResults<1>, WideVnniResults<2>,
                                                    WideVnniResults<3>, WideVnniResults<4>,
                                                    WideVnniResults<5>, WideVnniResults<6>};
  TileColumns columns = {};
  std::copy_n(p.column_scales, p.columns, columns.scale);
  std::copy_n(p.column_sums, p.columns, columns.sum);
  if (p.bias != nullptr) std::copy_n(p.bias, p.columns, columns.bias);
  const bool all = p.columns == kPanelWidth;
  alignas(64) float ragged[kRows * kPanelWidth];
  for (std::size_t first = 0; first < p.rows; first += kRows) {
    const std::size_t rows = std::min(kRows, p.rows - first);
    std::int32_t starts[kRows];
    for (std::size_t r = 0; r < rows; ++r)
      starts[r] = -kVnniWeightOffset * p.quantized_rows[first + r].sum;
    float* const out = p.out + first * p.out_stride;
    // The first tiles fetch a quarter of the next panel each; the others look at what is there.
    const bool fetch = p.next != nullptr && first < 4 * kRows;
    const char* next = fetch ? static_cast<const char*>(p.next) + first / kRows * p.groups * 64
                             : static_cast<const char*>(p.panel);
    kTiles[rows - 1]({.a = static_cast<const char*>(p.a) + first * p.a_stride_bytes,
                      .a_stride = p.a_stride_bytes,
                      .b = static_cast<const char*>(p.panel),
                      .groups = p.groups,
                      .out = reinterpret_cast<char*>(all ? out : ragged),
                      .out_stride = (all ? p.out_stride : kPanelWidth) * sizeof(float)},
                     columns, starts, p.quantized_rows + first, next);
    for (std::size_t r = 0; !all && r < rows; ++r)
      std::copy_n(ragged + r * kPanelWidth, p.columns, out + r * p.out_stride);
  }
  if (p.gelu) GeluOf(p);
}

RAGMESH_AVX512 void MultiplyInt8(const PanelProduct& p) {
  const PanelResults results(p);
  for (std::size_t first = 0; first < p.rows; first += kRows) {
    const std::size_t rows = std::min(kRows, p.rows - first);
    alignas(64) std::int32_t sums[kRows * kPanelWidth] = {};
    for (std::size_t group = 0; group < p.groups; group += kPieceGroups)
      AddPiece(p, first, rows, group, sums);
    results.Scale(sums, 0, first, rows);
  }
  if (p.gelu) GeluOf(p);
}

}  // namespace ragmesh::linalg::avx512

#endif  // defined(__x86_64__)
