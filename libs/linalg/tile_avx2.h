// The inner loops of all 256-bit matrix products: a tile of the result stays in 12 of 16 registers
// while the inputs go by. Assembly for the reason that tile_avx512.h gives. Only the files of the
// 256-bit tables include this.
#ifndef RAGMESH_LIBS_LINALG_TILE_AVX2_H_
#define RAGMESH_LIBS_LINALG_TILE_AVX2_H_

#include <cstddef>

#include "libs/linalg/math_avx2.h"

namespace ragmesh::linalg::avx2 {

inline constexpr std::size_t kTileRows = 6;
// Distance in bytes between a group of a panel's columns and the next.
inline constexpr std::size_t kGroupBytes = 64;

struct Tile {
  const char* a;           // the first row
  std::size_t a_stride;    // bytes
  const char* b;           // groups at a distance of kGroupBytes
  std::size_t groups;      // at least 1
  char* out;               // 64 bytes of sums a row
  std::size_t out_stride;  // bytes
};
using TileFunction = void (*)(const Tile&);

// clang-format off

// X(address of a row's next values, scratch register, the row's two sums), a line a row.
#define RAGMESH_YMM_ROWS_1(X) X("(%[a])", "14", "0", "1")
#define RAGMESH_YMM_ROWS_2(X) RAGMESH_YMM_ROWS_1(X) X("(%[a],%[s])", "15", "2", "3")
#define RAGMESH_YMM_ROWS_3(X) RAGMESH_YMM_ROWS_2(X) X("(%[a],%[s],2)", "14", "4", "5")
#define RAGMESH_YMM_ROWS_4(X) RAGMESH_YMM_ROWS_3(X) X("(%[a],%[s3])", "15", "6", "7")
#define RAGMESH_YMM_ROWS_5(X) RAGMESH_YMM_ROWS_4(X) X("(%[a],%[s],4)", "14", "8", "9")
#define RAGMESH_YMM_ROWS_6(X) RAGMESH_YMM_ROWS_5(X) X("(%[a],%[s5])", "15", "10", "11")

#define RAGMESH_YMM_ZERO(c) "vpxor %%ymm" c ", %%ymm" c ", %%ymm" c "\n\t"
#define RAGMESH_YMM_CLEAR(at, r, c0, c1) RAGMESH_YMM_ZERO(c0) RAGMESH_YMM_ZERO(c1)
#define RAGMESH_YMM_STORE(at, r, c0, c1)               \
  "vmovups %%ymm" c0 ", (%[out])\n\t"                  \
  "vmovups %%ymm" c1 ", 32(%[out])\n\t"                \
  "add %[os], %[out]\n\t"

// 16 columns of lanes. The instruction adds products of 32-bit lanes to 32-bit lanes.
#define RAGMESH_YMM_LANES                              \
  "vmovups (%[b]), %%ymm12\n\t"                        \
  "vmovups 32(%[b]), %%ymm13\n\t"
#define RAGMESH_YMM_STEP(op, at, r, c0, c1)            \
  "vbroadcastss " at ", %%ymm" r "\n\t"                \
  op " %%ymm" r ", %%ymm12, %%ymm" c0 "\n\t"           \
  op " %%ymm" r ", %%ymm13, %%ymm" c1 "\n\t"
#define RAGMESH_F32_STEP(...) RAGMESH_YMM_STEP("vfmadd231ps", __VA_ARGS__)
#define RAGMESH_VNNI_STEP(...) RAGMESH_YMM_STEP("%{vex%} vpdpbusd", __VA_ARGS__)

// 8 columns of four bytes, widened to words as the rows are already; a column has two sums, of its
// first and of its last two bytes.
#define RAGMESH_YMM_WORDS                              \
  "vpmovsxbw (%[b]), %%ymm12\n\t"                      \
  "vpmovsxbw 16(%[b]), %%ymm13\n\t"
#define RAGMESH_WORDS_STEP(at, r, c0, c1)              \
  "vpbroadcastq " at ", %%ymm14\n\t"                   \
  "vpmaddwd %%ymm14, %%ymm12, %%ymm15\n\t"             \
  "vpmaddwd %%ymm14, %%ymm13, %%ymm14\n\t"             \
  "vpaddd %%ymm15, %%ymm" c0 ", %%ymm" c0 "\n\t"       \
  "vpaddd %%ymm14, %%ymm" c1 ", %%ymm" c1 "\n\t"

#define RAGMESH_YMM_TILE(rows, load, step, a_step)                                                 \
  asm volatile(RAGMESH_YMM_ROWS_##rows(RAGMESH_YMM_CLEAR)                                          \
               ".p2align 5\n"                                                                      \
               "1:\n\t"                                                                            \
               load                                                                                \
               RAGMESH_YMM_ROWS_##rows(step)                                                       \
               "add $" a_step ", %[a]\n\t"                                                         \
               "add $64, %[b]\n\t"                                                                 \
               "dec %[k]\n\t"                                                                      \
               "jnz 1b\n\t"                                                                        \
               RAGMESH_YMM_ROWS_##rows(RAGMESH_YMM_STORE)                                          \
               : [a] "+&r"(a), [b] "+&r"(b), [k] "+&r"(k), [out] "+&r"(out)                        \
               : [s] "r"(s), [s3] "r"(3 * s), [s5] "r"(5 * s), [os] "r"(tile.out_stride)           \
               : "cc", "memory", "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm6", "ymm7",   \
                 "ymm8", "ymm9", "ymm10", "ymm11", "ymm12", "ymm13", "ymm14", "ymm15")

// clang-format on

// name<rows>: 1 to 6 rows by 16 columns of lanes or 8 of words; nameTiles: by number of rows
// less 1.
#define RAGMESH_DEFINE_YMM_TILE(name, load, step, a_step)                            \
  template <int rows>                                                                \
  RAGMESH_AVX2 inline void name(const Tile& tile) {                                  \
    const char *a = tile.a, *b = tile.b;                                             \
    char* out = tile.out;                                                            \
    std::size_t k = tile.groups;                                                     \
    const std::size_t s = tile.a_stride;                                             \
    if constexpr (rows == 1) RAGMESH_YMM_TILE(1, load, step, a_step);                \
    if constexpr (rows == 2) RAGMESH_YMM_TILE(2, load, step, a_step);                \
    if constexpr (rows == 3) RAGMESH_YMM_TILE(3, load, step, a_step);                \
    if constexpr (rows == 4) RAGMESH_YMM_TILE(4, load, step, a_step);                \
    if constexpr (rows == 5) RAGMESH_YMM_TILE(5, load, step, a_step);                \
    if constexpr (rows == 6) RAGMESH_YMM_TILE(6, load, step, a_step);                \
  }                                                                                  \
  inline constexpr TileFunction name##Tiles[kTileRows] = {name<1>, name<2>, name<3>, \
                                                          name<4>, name<5>, name<6>};

RAGMESH_DEFINE_YMM_TILE(F32, RAGMESH_YMM_LANES, RAGMESH_F32_STEP, "4")
RAGMESH_DEFINE_YMM_TILE(Vnni, RAGMESH_YMM_LANES, RAGMESH_VNNI_STEP, "4")
RAGMESH_DEFINE_YMM_TILE(Words, RAGMESH_YMM_WORDS, RAGMESH_WORDS_STEP, "8")

}  // namespace ragmesh::linalg::avx2

#endif  // RAGMESH_LIBS_LINALG_TILE_AVX2_H_
