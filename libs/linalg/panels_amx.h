// The loops of matrix products in tile registers. They are written over a unit that holds such
// registers, so that the tests can run them where no processor has any.
#ifndef RAGMESH_LIBS_LINALG_PANELS_AMX_H_
#define RAGMESH_LIBS_LINALG_PANELS_AMX_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "libs/linalg/kernels.h"
#include "libs/linalg/tile_registers.h"

namespace ragmesh::linalg::amx {

inline constexpr std::size_t kPanelWidth = 64;   // columns: four registers beside each other
inline constexpr std::size_t kGroupBytes = 256;  // of a panel

// How a product is cut into registers. One shape serves a whole product, so that the registers are
// configured once: blocks of rows have the same height, the last begins early enough to be whole
// and computes some rows again, and steps through the inputs divide their number. For the widths
// that models have the step is the longest there is; odd ones are slower, and need no copies.
struct Blocks {
  Blocks(std::size_t total_rows, std::size_t total_groups)
      : count((total_rows + kTileRows - 1) / kTileRows),
        rows((total_rows + count - 1) / count),
        last(total_rows - rows),
        groups(kTileLanes) {
    while (total_groups % groups != 0) --groups;
  }

  // The first row of a block.
  std::size_t First(std::size_t block) const { return std::min(block * rows, last); }

  // Registers 0 to 3 hold sums, 4 and 5 rows, 6 and 7 columns of the panel.
  TileConfig Config() const {
    TileConfig config;
    for (std::size_t tile = 0; tile < 8; ++tile) {
      config.rows[tile] = static_cast<std::uint8_t>(tile < 6 ? rows : groups);
      config.row_bytes[tile] =
          static_cast<std::uint16_t>(4 * (tile == 4 || tile == 5 ? groups : kTileLanes));
    }
    return config;
  }

  std::size_t count;
  std::size_t rows;    // of one
  std::size_t last;    // first row of the last
  std::size_t groups;  // of inputs in one step
};

// A unit is what TileRegisters is, and has Dot<c, a, b>(): c += a * b in the precision of the
// product.
template <typename Unit, typename Sum>
class PanelLoops {
 public:
  PanelLoops(const PanelProduct& product, Unit& unit)
      : p_(product), blocks_(product.rows, product.groups), unit_(unit) {}

  // Calls finish(sums, first, rows) with the sums of `rows` rows of the product from `first`, in
  // rows of kPanelWidth. Some rows may come twice.
  template <typename Finish>
  void Run(const Finish& finish) {
    alignas(64) Sum sums[2 * kTileRows * kPanelWidth];
    std::size_t block = 0;
    for (; block + 2 <= blocks_.count; block += 2) {
      const std::size_t first = blocks_.First(block), second = blocks_.First(block + 1);
      Sum* const second_sums = sums + blocks_.rows * kPanelWidth;
      for (std::size_t column = 0; column < kPanelWidth; column += 2 * kTileLanes)
        MultiplyTwo(first, second, column, sums + column, second_sums + column);
      finish(sums, first, blocks_.rows);
      finish(second_sums, second, blocks_.rows);
    }
    if (block < blocks_.count) {
      MultiplyOne(blocks_.First(block), sums);
      finish(sums, blocks_.First(block), blocks_.rows);
    }
  }

  const Blocks& blocks() const { return blocks_; }

 private:
  static constexpr std::size_t kSumStride = kPanelWidth * sizeof(Sum);
  static constexpr std::size_t kColumnBytes = 4 * kTileLanes;  // of one register's columns

  const char* Row(std::size_t row) const {
    return static_cast<const char*>(p_.a) + row * p_.a_stride_bytes;
  }

  // Both functions keep four sums going: a product is added long after the next one could start.

  // Two blocks by the two registers of columns at `column`.
  void MultiplyTwo(std::size_t first, std::size_t second, std::size_t column, Sum* first_sums,
                   Sum* second_sums) {
    const char* panel = static_cast<const char*>(p_.panel) + 4 * column;
    ZeroSums();
    for (std::size_t g = 0; g < p_.groups; g += blocks_.groups) {
      const char* const columns = panel + g * kGroupBytes;
      unit_.template Load<6>(columns, kGroupBytes);
      unit_.template Load<4>(Row(first) + 4 * g, p_.a_stride_bytes);
      unit_.template Dot<0, 4, 6>();
      unit_.template Load<7>(columns + kColumnBytes, kGroupBytes);
      unit_.template Dot<1, 4, 7>();
      unit_.template Load<5>(Row(second) + 4 * g, p_.a_stride_bytes);
      unit_.template Dot<2, 5, 6>();
      unit_.template Dot<3, 5, 7>();
    }
    unit_.template Store<0>(first_sums, kSumStride);
    unit_.template Store<1>(first_sums + kTileLanes, kSumStride);
    unit_.template Store<2>(second_sums, kSumStride);
    unit_.template Store<3>(second_sums + kTileLanes, kSumStride);
  }

  // One block by all columns.
  void MultiplyOne(std::size_t first, Sum* sums) {
    const char* panel = static_cast<const char*>(p_.panel);
    ZeroSums();
    for (std::size_t g = 0; g < p_.groups; g += blocks_.groups) {
      const char* const columns = panel + g * kGroupBytes;
      unit_.template Load<4>(Row(first) + 4 * g, p_.a_stride_bytes);
      unit_.template Load<6>(columns, kGroupBytes);
      unit_.template Dot<0, 4, 6>();
      unit_.template Load<7>(columns + kColumnBytes, kGroupBytes);
      unit_.template Dot<1, 4, 7>();
      unit_.template Load<6>(columns + 2 * kColumnBytes, kGroupBytes);
      unit_.template Dot<2, 4, 6>();
      unit_.template Load<7>(columns + 3 * kColumnBytes, kGroupBytes);
      unit_.template Dot<3, 4, 7>();
    }
    unit_.template Store<0>(sums, kSumStride);
    unit_.template Store<1>(sums + kTileLanes, kSumStride);
    unit_.template Store<2>(sums + 2 * kTileLanes, kSumStride);
    unit_.template Store<3>(sums + 3 * kTileLanes, kSumStride);
  }

  void ZeroSums() {
    unit_.template Zero<0>();
    unit_.template Zero<1>();
    unit_.template Zero<2>();
    unit_.template Zero<3>();
  }

  const PanelProduct& p_;
  const Blocks blocks_;
  Unit& unit_;
};

// The whole of a product. Configuring the registers takes longer than many of their products, so it
// happens once. They are released at the end, since as long as they hold something the kernel saves
// all 8 KB of it whenever the thread gives up its processor, and does not let that sleep deeply.
template <typename Sum, typename Unit, typename Finish>
void MultiplyPanel(const PanelProduct& product, Unit& unit, const Finish& finish) {
  if (product.rows == 0) return;
  PanelLoops<Unit, Sum> loops(product, unit);
  unit.Configure(loops.blocks().Config());
  loops.Run(finish);
  unit.Release();
}

}  // namespace ragmesh::linalg::amx

#endif  // RAGMESH_LIBS_LINALG_PANELS_AMX_H_
