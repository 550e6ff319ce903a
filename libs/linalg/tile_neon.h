// The inner loops of 128-bit matrix products: a tile of the result stays in registers while the
// inputs go by, a group of four bytes of a row and of every column at a time.
//
// Only the files of the 128-bit tables include this.
#ifndef RAGMESH_LIBS_LINALG_TILE_NEON_H_
#define RAGMESH_LIBS_LINALG_TILE_NEON_H_

#include <cstddef>

// For processors with CpuFeatures::neon_dotprod; gcc takes the extension only with a version.
#define RAGMESH_DOTPROD __attribute__((target("arch=armv8.2-a+dotprod")))

namespace ragmesh::linalg::neon {

inline constexpr std::size_t kPanelWidth = 16;

struct Tile {
  const void* a;         // the first row
  std::size_t a_stride;  // bytes
  const void* b;         // groups x 16 columns x 4 bytes
  std::size_t groups;
  void* out;               // sums as they are, 4 bytes each
  std::size_t out_stride;  // bytes
};

// Tiles of 16 columns, by the number of their rows less one.
using TileFunction = void (*)(const Tile&);
inline constexpr std::size_t kTileRows = 6;
inline constexpr std::size_t kWideningRows = 3;
extern const TileFunction kF32Tiles[kTileRows];
extern const TileFunction kDotprodTiles[kTileRows];       // int8, with sdot
extern const TileFunction kWideningTiles[kWideningRows];  // int8, without

}  // namespace ragmesh::linalg::neon

#endif  // RAGMESH_LIBS_LINALG_TILE_NEON_H_
