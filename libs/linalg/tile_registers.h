// The tile registers of AMX: 8 registers of up to 16 rows of 64 bytes, and instructions that
// multiply two of them and add the product to a third.
#ifndef RAGMESH_LIBS_LINALG_TILE_REGISTERS_H_
#define RAGMESH_LIBS_LINALG_TILE_REGISTERS_H_

#include <cstddef>
#include <cstdint>

namespace ragmesh::linalg::amx {

inline constexpr std::size_t kTileRows = 16;   // at most, in a register
inline constexpr std::size_t kTileLanes = 16;  // of four bytes, at most, in a row of a register

// The shapes of the registers, in the form ldtilecfg reads.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileConfig) == 64);

#if defined(__x86_64__)

// Those of the thread. Assembly, because their intrinsics want the functions they are inlined
// into to have their target; the compiler itself never uses the registers.
class TileRegisters {
 public:
  void Configure(const TileConfig& config) { asm volatile("ldtilecfg %0" : : "m"(config)); }
  void Release() { asm volatile("tilerelease"); }
  template <int c>
  void Zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(c));
  }
  template <int a>
  void Load(const void* from, std::size_t stride_bytes) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
                 :
                 : "r"(from), "r"(stride_bytes), "i"(a)
                 : "memory");
  }
  template <int c>
  void Store(void* to, std::size_t stride_bytes) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)"
                 :
                 : "r"(to), "r"(stride_bytes), "i"(c)
                 : "memory");
  }
};

#endif  // defined(__x86_64__)

}  // namespace ragmesh::linalg::amx

#endif  // RAGMESH_LIBS_LINALG_TILE_REGISTERS_H_
