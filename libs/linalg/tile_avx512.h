// The inner loops of all 512-bit matrix products: a tile of the result stays in 24 registers while
// the inputs go by, four bytes of a row and a group of every column at a time.
//
// They are assembly because the compiler at hand keeps only half of such a tile in registers, which
// costs half of the speed (docs/benchmarks.md). One loop serves all precisions, since vfmadd231ps
// (1 float), vdpbf16ps (2 bfloat16) and vpdpbusd (4 bytes) all add a product of 32-bit lanes to
// 32-bit lanes. Only the files of the 512-bit tables include this.
#ifndef RAGMESH_LIBS_LINALG_TILE_AVX512_H_
#define RAGMESH_LIBS_LINALG_TILE_AVX512_H_

#include <cstddef>
#include <cstdint>

#include "libs/linalg/kernels.h"

#define RAGMESH_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma")))

namespace ragmesh::linalg::avx512 {

struct Tile {
  const char* a;               // the first row
  std::size_t a_stride;        // bytes
  const char* b;               // groups x columns lanes of 4 bytes
  std::size_t b_stride = 128;  // bytes from one group to the next, in a tall tile
  std::size_t groups;          // at least 1
  char* out;                   // sums as they are, 4 bytes each
  std::size_t out_stride;      // bytes
};

// clang-format off

// X(address of a row's next 4 bytes, scratch register, the row's four sums), a line a row.
#define RAGMESH_WIDE_ROWS_1(X) X("(%[a])", "28", "0", "1", "2", "3")
#define RAGMESH_WIDE_ROWS_2(X) RAGMESH_WIDE_ROWS_1(X) X("(%[a],%[s])", "29", "4", "5", "6", "7")
#define RAGMESH_WIDE_ROWS_3(X) RAGMESH_WIDE_ROWS_2(X) X("(%[a],%[s],2)", "30", "8", "9", "10", "11")
#define RAGMESH_WIDE_ROWS_4(X) \
  RAGMESH_WIDE_ROWS_3(X) X("(%[a],%[s3])", "31", "12", "13", "14", "15")
#define RAGMESH_WIDE_ROWS_5(X) \
  RAGMESH_WIDE_ROWS_4(X) X("(%[a],%[s],4)", "28", "16", "17", "18", "19")
#define RAGMESH_WIDE_ROWS_6(X) \
  RAGMESH_WIDE_ROWS_5(X) X("(%[a],%[s5])", "29", "20", "21", "22", "23")

#define RAGMESH_ZERO(c) "vpxord %%zmm" c ", %%zmm" c ", %%zmm" c "\n\t"
#define RAGMESH_WIDE_CLEAR(at, r, c0, c1, c2, c3) \
  RAGMESH_ZERO(c0) RAGMESH_ZERO(c1) RAGMESH_ZERO(c2) RAGMESH_ZERO(c3)
#define RAGMESH_WIDE_LANES                             \
  "vmovups (%[b]), %%zmm24\n\t"                        \
  "vmovups 64(%[b]), %%zmm25\n\t"                      \
  "vmovups 128(%[b]), %%zmm26\n\t"                     \
  "vmovups 192(%[b]), %%zmm27\n\t"
#define RAGMESH_WIDE_STEP(op, at, r, c0, c1, c2, c3)   \
  "vpbroadcastd " at ", %%zmm" r "\n\t"                \
  op " %%zmm" r ", %%zmm24, %%zmm" c0 "\n\t"           \
  op " %%zmm" r ", %%zmm25, %%zmm" c1 "\n\t"           \
  op " %%zmm" r ", %%zmm26, %%zmm" c2 "\n\t"           \
  op " %%zmm" r ", %%zmm27, %%zmm" c3 "\n\t"
// 32 columns of four bytes, widened to words as the rows are already; a column has two sums, of its
// first and of its last two bytes.
#define RAGMESH_WIDE_WORDS                             \
  "vpmovsxbw (%[b]), %%zmm24\n\t"                      \
  "vpmovsxbw 32(%[b]), %%zmm25\n\t"                    \
  "vpmovsxbw 64(%[b]), %%zmm26\n\t"                    \
  "vpmovsxbw 96(%[b]), %%zmm27\n\t"
#define RAGMESH_WORDS_WIDE(at, r, c0, c1, c2, c3)      \
  "vpbroadcastq " at ", %%zmm28\n\t"                   \
  "vpmaddwd %%zmm28, %%zmm24, %%zmm29\n\t"             \
  "vpmaddwd %%zmm28, %%zmm25, %%zmm30\n\t"             \
  "vpmaddwd %%zmm28, %%zmm26, %%zmm31\n\t"             \
  "vpmaddwd %%zmm28, %%zmm27, %%zmm28\n\t"             \
  "vpaddd %%zmm29, %%zmm" c0 ", %%zmm" c0 "\n\t"       \
  "vpaddd %%zmm30, %%zmm" c1 ", %%zmm" c1 "\n\t"       \
  "vpaddd %%zmm31, %%zmm" c2 ", %%zmm" c2 "\n\t"       \
  "vpaddd %%zmm28, %%zmm" c3 ", %%zmm" c3 "\n\t"
#define RAGMESH_WIDE_STORE(at, r, c0, c1, c2, c3)      \
  "vmovups %%zmm" c0 ", (%[out])\n\t"                  \
  "vmovups %%zmm" c1 ", 64(%[out])\n\t"                \
  "vmovups %%zmm" c2 ", 128(%[out])\n\t"               \
  "vmovups %%zmm" c3 ", 192(%[out])\n\t"               \
  "add %[os], %[out]\n\t"

// Bytes on to the end, as PanelKernel says of int8: a row's sums start at what its unsigned weights
// will be too much by, and turn into results before they leave their registers.
#define RAGMESH_WIDE_START(at, r, c0, c1, c2, c3)      \
  "vpbroadcastd (%[start]), %%zmm" c0 "\n\t"           \
  "vmovdqa64 %%zmm" c0 ", %%zmm" c1 "\n\t"             \
  "vmovdqa64 %%zmm" c0 ", %%zmm" c2 "\n\t"             \
  "vmovdqa64 %%zmm" c0 ", %%zmm" c3 "\n\t"             \
  "add $4, %[start]\n\t"
#define RAGMESH_WIDE_RESULT(v, scale, c)               \
  "vcvtdq2ps %%zmm" c ", %%zmm" c "\n\t"               \
  "vmulps %%zmm28, %%zmm" c ", %%zmm" c "\n\t"         \
  "vmovaps 512+" v "(%[column]), %%zmm30\n\t"         \
  "vfmadd231ps 256+" v "(%[column]), %%zmm29, %%zmm30\n\t" \
  "vfmadd213ps %%zmm30, %%zmm" scale ", %%zmm" c "\n\t" \
  "vmovups %%zmm" c ", " v "(%[out])\n\t"
#define RAGMESH_WIDE_RESULTS(at, r, c0, c1, c2, c3)    \
  "vbroadcastss (%[row]), %%zmm28\n\t"                \
  "vbroadcastss 4(%[row]), %%zmm29\n\t"               \
  RAGMESH_WIDE_RESULT("0", "24", c0)                   \
  RAGMESH_WIDE_RESULT("64", "25", c1)                  \
  RAGMESH_WIDE_RESULT("128", "26", c2)                 \
  RAGMESH_WIDE_RESULT("192", "27", c3)                 \
  "add $12, %[row]\n\t"                               \
  "add %[os], %[out]\n\t"

// Two columns of lanes by up to twelve rows: for heads of 32. Rows 6 to 11 have their own base.
#define RAGMESH_TALL_ROWS_4(X)                                          \
  X("(%[a])", "26", "0", "1") X("(%[a],%[s])", "27", "2", "3")          \
  X("(%[a],%[s],2)", "28", "4", "5") X("(%[a],%[s3])", "29", "6", "7")
#define RAGMESH_TALL_ROWS_8(X)                                                      \
  RAGMESH_TALL_ROWS_4(X)                                                            \
  X("(%[a],%[s],4)", "30", "8", "9") X("(%[a],%[s5])", "31", "10", "11")            \
  X("(%[a6])", "26", "12", "13") X("(%[a6],%[s])", "27", "14", "15")
#define RAGMESH_TALL_ROWS_12(X)                                                     \
  RAGMESH_TALL_ROWS_8(X)                                                            \
  X("(%[a6],%[s],2)", "28", "16", "17") X("(%[a6],%[s3])", "29", "18", "19")        \
  X("(%[a6],%[s],4)", "30", "20", "21") X("(%[a6],%[s5])", "31", "22", "23")

#define RAGMESH_TALL_CLEAR(at, r, c0, c1) RAGMESH_ZERO(c0) RAGMESH_ZERO(c1)
#define RAGMESH_TALL_STEP(op, at, r, c0, c1)           \
  "vpbroadcastd " at ", %%zmm" r "\n\t"                \
  op " %%zmm" r ", %%zmm24, %%zmm" c0 "\n\t"           \
  op " %%zmm" r ", %%zmm25, %%zmm" c1 "\n\t"
#define RAGMESH_TALL_STORE(at, r, c0, c1)              \
  "vmovups %%zmm" c0 ", (%[out])\n\t"                  \
  "vmovups %%zmm" c1 ", 64(%[out])\n\t"                \
  "add %[os], %[out]\n\t"

#define RAGMESH_F32_WIDE(...) RAGMESH_WIDE_STEP("vfmadd231ps", __VA_ARGS__)
#define RAGMESH_BF16_WIDE(...) RAGMESH_WIDE_STEP("vdpbf16ps", __VA_ARGS__)
#define RAGMESH_VNNI_WIDE(...) RAGMESH_WIDE_STEP("vpdpbusd", __VA_ARGS__)
#define RAGMESH_F32_TALL(...) RAGMESH_TALL_STEP("vfmadd231ps", __VA_ARGS__)
#define RAGMESH_BF16_TALL(...) RAGMESH_TALL_STEP("vdpbf16ps", __VA_ARGS__)

#define RAGMESH_ALL_ZMM                                                                          \
  "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7", "zmm8", "zmm9", "zmm10",       \
      "zmm11", "zmm12", "zmm13", "zmm14", "zmm15", "zmm16", "zmm17", "zmm18", "zmm19", "zmm20",  \
      "zmm21", "zmm22", "zmm23", "zmm24", "zmm25", "zmm26", "zmm27", "zmm28", "zmm29", "zmm30",  \
      "zmm31"

#define RAGMESH_WIDE_TILE(rows, load, step, a_step)                                                \
  asm volatile(RAGMESH_WIDE_ROWS_##rows(RAGMESH_WIDE_CLEAR)                                        \
               ".p2align 5\n"                                                                      \
               "1:\n\t"                                                                            \
               load                                                                                \
               RAGMESH_WIDE_ROWS_##rows(step)                                                      \
               "add $" a_step ", %[a]\n\t"                                                         \
               "add $256, %[b]\n\t"                                                                \
               "dec %[k]\n\t"                                                                      \
               "jnz 1b\n\t"                                                                        \
               RAGMESH_WIDE_ROWS_##rows(RAGMESH_WIDE_STORE)                                        \
               : [a] "+&r"(a), [b] "+&r"(b), [k] "+&r"(k), [out] "+&r"(out)                        \
               : [s] "r"(s), [s3] "r"(3 * s), [s5] "r"(5 * s), [os] "r"(tile.out_stride)           \
               : "cc", "memory", RAGMESH_ALL_ZMM)

#define RAGMESH_WIDE_RESULTS_TILE(rows, step)                                                      \
  asm volatile(RAGMESH_WIDE_ROWS_##rows(RAGMESH_WIDE_START)                                        \
               ".p2align 5\n"                                                                      \
               "1:\n\t"                                                                            \
               RAGMESH_WIDE_LANES                                                                  \
               "prefetcht1 (%[next])\n\t"                                                          \
               RAGMESH_WIDE_ROWS_##rows(step)                                                      \
               "add $4, %[a]\n\t"                                                                  \
               "add $256, %[b]\n\t"                                                                \
               "add $64, %[next]\n\t"                                                              \
               "dec %[k]\n\t"                                                                      \
               "jnz 1b\n\t"                                                                        \
               "vmovaps (%[column]), %%zmm24\n\t"                                                  \
               "vmovaps 64(%[column]), %%zmm25\n\t"                                                \
               "vmovaps 128(%[column]), %%zmm26\n\t"                                               \
               "vmovaps 192(%[column]), %%zmm27\n\t"                                               \
               RAGMESH_WIDE_ROWS_##rows(RAGMESH_WIDE_RESULTS)                                      \
               : [a] "+&r"(a), [b] "+&r"(b), [k] "+&r"(k), [out] "+&r"(out),                       \
                 [start] "+&r"(start), [row] "+&r"(row), [next] "+&r"(next)                                            \
               : [s] "r"(s), [s3] "r"(3 * s), [s5] "r"(5 * s), [os] "r"(tile.out_stride),          \
                 [column] "r"(columns.scale)                                                       \
               : "cc", "memory", RAGMESH_ALL_ZMM)

#define RAGMESH_TALL_TILE(rows, step)                                                              \
  asm volatile(RAGMESH_TALL_ROWS_##rows(RAGMESH_TALL_CLEAR)                                        \
               ".p2align 5\n"                                                                      \
               "1:\n\t"                                                                            \
               "vmovups (%[b]), %%zmm24\n\t"                                                       \
               "vmovups 64(%[b]), %%zmm25\n\t"                                                     \
               RAGMESH_TALL_ROWS_##rows(step)                                                      \
               "add $4, %[a]\n\t"                                                                  \
               "add $4, %[a6]\n\t"                                                                 \
               "add %[bs], %[b]\n\t"                                                               \
               "dec %[k]\n\t"                                                                      \
               "jnz 1b\n\t"                                                                        \
               RAGMESH_TALL_ROWS_##rows(RAGMESH_TALL_STORE)                                        \
               : [a] "+&r"(a), [a6] "+&r"(a6), [b] "+&r"(b), [k] "+&r"(k), [out] "+&r"(out)        \
               : [s] "r"(s), [s3] "r"(3 * s), [s5] "r"(5 * s), [os] "r"(tile.out_stride),          \
                 [bs] "r"(tile.b_stride)                                                           \
               : "cc", "memory", RAGMESH_ALL_ZMM)

// clang-format on

// WideX<rows>: 1 to 6 rows by 64 columns, of words 32. TallX<rows>: 4, 8 or 12 rows by 32 columns.
#define RAGMESH_DEFINE_WIDE(name, load, step, a_step)                  \
  template <int rows>                                                  \
  RAGMESH_AVX512 inline void name(const Tile& tile) {                  \
    const char *a = tile.a, *b = tile.b;                               \
    char* out = tile.out;                                              \
    std::size_t k = tile.groups;                                       \
    const std::size_t s = tile.a_stride;                               \
    if constexpr (rows == 1) RAGMESH_WIDE_TILE(1, load, step, a_step); \
    if constexpr (rows == 2) RAGMESH_WIDE_TILE(2, load, step, a_step); \
    if constexpr (rows == 3) RAGMESH_WIDE_TILE(3, load, step, a_step); \
    if constexpr (rows == 4) RAGMESH_WIDE_TILE(4, load, step, a_step); \
    if constexpr (rows == 5) RAGMESH_WIDE_TILE(5, load, step, a_step); \
    if constexpr (rows == 6) RAGMESH_WIDE_TILE(6, load, step, a_step); \
  }
#define RAGMESH_DEFINE_TALL(name, step)                                    \
  template <int rows>                                                      \
  RAGMESH_AVX512 inline void name(const Tile& tile) {                      \
    const char *a = tile.a, *a6 = tile.a + 6 * tile.a_stride, *b = tile.b; \
    char* out = tile.out;                                                  \
    std::size_t k = tile.groups;                                           \
    const std::size_t s = tile.a_stride;                                   \
    if constexpr (rows == 4) RAGMESH_TALL_TILE(4, step);                   \
    if constexpr (rows == 8) RAGMESH_TALL_TILE(8, step);                   \
    if constexpr (rows == 12) RAGMESH_TALL_TILE(12, step);                 \
  }

RAGMESH_DEFINE_WIDE(WideF32, RAGMESH_WIDE_LANES, RAGMESH_F32_WIDE, "4")
RAGMESH_DEFINE_WIDE(WideBf16, RAGMESH_WIDE_LANES, RAGMESH_BF16_WIDE, "4")
RAGMESH_DEFINE_WIDE(WideVnni, RAGMESH_WIDE_LANES, RAGMESH_VNNI_WIDE, "4")
RAGMESH_DEFINE_WIDE(WideWords, RAGMESH_WIDE_WORDS, RAGMESH_WORDS_WIDE, "8")
RAGMESH_DEFINE_TALL(TallF32, RAGMESH_F32_TALL)
RAGMESH_DEFINE_TALL(TallBf16, RAGMESH_BF16_TALL)

// One panel's columns. The inner loop reads it as it lies here.
struct alignas(64) TileColumns {
  float scale[64];
  float sum[64];
  float bias[64];
};

// WideVnni, but what is written are the results. Row r of the tile starts from starts[r].
template <int rows>
RAGMESH_AVX512 inline void WideVnniResults(const Tile& tile, const TileColumns& columns,
                                           const std::int32_t* start, const QuantizedRow* row,
                                           const char* next) {
  static_assert(sizeof(QuantizedRow) == 12 && offsetof(QuantizedRow, offset) == 4);
  const char *a = tile.a, *b = tile.b;
  char* out = tile.out;
  std::size_t k = tile.groups;
  const std::size_t s = tile.a_stride;
  if constexpr (rows == 1) RAGMESH_WIDE_RESULTS_TILE(1, RAGMESH_VNNI_WIDE);
  if constexpr (rows == 2) RAGMESH_WIDE_RESULTS_TILE(2, RAGMESH_VNNI_WIDE);
  if constexpr (rows == 3) RAGMESH_WIDE_RESULTS_TILE(3, RAGMESH_VNNI_WIDE);
  if constexpr (rows == 4) RAGMESH_WIDE_RESULTS_TILE(4, RAGMESH_VNNI_WIDE);
  if constexpr (rows == 5) RAGMESH_WIDE_RESULTS_TILE(5, RAGMESH_VNNI_WIDE);
  if constexpr (rows == 6) RAGMESH_WIDE_RESULTS_TILE(6, RAGMESH_VNNI_WIDE);
}

}  // namespace ragmesh::linalg::avx512

#endif  // RAGMESH_LIBS_LINALG_TILE_AVX512_H_
