#include "libs/quant/matrix.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace ragmesh::quant {
namespace {

constexpr std::size_t kSuperRuns = 8;

std::uint32_t Stored(QuantType type, int q) {
  if (!HasLevels(type)) return static_cast<std::uint32_t>(q + StoredBias(type));
  return static_cast<std::uint32_t>(std::find(std::begin(kIq4Levels), std::end(kIq4Levels), q) -
                                    std::begin(kIq4Levels));
}

// Puts the 32 quants of row `r` where they belong among the lines of a run, which are zero so far.
void StoreQuants(QuantType type, const Run& run, std::size_t r, std::uint8_t* lines) {
  for (std::size_t i = 0; i < kRunValues; ++i) {
    const std::uint32_t q = Stored(type, run.q[i]);
    const std::size_t group = i / 4, byte = 4 * r + i % 4;
    const auto add = [&](std::size_t line, std::uint32_t bits) {
      lines[line * 64 + byte] = static_cast<std::uint8_t>(lines[line * 64 + byte] | bits);
    };
    if (QuantBits(type) == 8) {
      add(group, q);
      continue;
    }
    add(group % 4, group < 4 ? q & 15 : (q & 15) << 4);
    if (QuantBits(type) == 5) add(4, q >> 4 << group);
    if (QuantBits(type) == 6) add(4 + group / 4, q >> 4 << (2 * (group % 4)));
  }
}

void PutHalf(std::uint16_t half, std::size_t index, std::size_t r, std::uint8_t* part) {
  std::memcpy(part + (index * kPanelRows + r) * sizeof(half), &half, sizeof(half));
}

void PackQuantisedRow(QuantType type, const std::uint8_t* row, std::size_t columns, std::size_t r,
                      const PanelLayout& layout, std::uint8_t* panel) {
  Run run;
  for (std::size_t i = 0; i < columns / kRunValues; ++i) {
    ReadRun(type, row, i, &run);
    StoreQuants(type, run, r, panel + layout.quants + i * RunBytes(type));
    if (!HasSuperblocks(type) || i % kSuperRuns == 0) {
      const std::size_t index = HasSuperblocks(type) ? i / kSuperRuns : i;
      PutHalf(run.d, index, r, panel + layout.d);
      if (HasOffsets(type)) PutHalf(run.m, index, r, panel + layout.m);
    }
    if (!HasSuperblocks(type)) continue;
    const std::size_t halves = HasHalves(type) ? 2 : 1;
    for (std::size_t half = 0; half < halves; ++half) {
      const std::size_t at = (halves * i + half) * kPanelRows + r;
      panel[layout.multiples + at] = static_cast<std::uint8_t>(run.multiple[half]);
      if (HasOffsets(type))
        panel[layout.minimums + at] = static_cast<std::uint8_t>(run.minimum[half]);
    }
  }
}

}  // namespace

PanelLayout LayOutPanel(QuantType type, std::size_t columns) {
  PanelLayout layout;
  std::size_t at = 0;
  const auto part = [&at](std::size_t bytes) {
    const std::size_t begin = at;
    at += (bytes + 63) / 64 * 64;
    return begin;
  };
  if (!IsQuantised(type)) {
    layout.quants = part(columns * kPanelRows * BlockBytes(type));
    layout.bytes = at;
    return layout;
  }
  const std::size_t runs = columns / kRunValues;
  const std::size_t scales = HasSuperblocks(type) ? runs / kSuperRuns : runs;
  layout.d = part(scales * kPanelRows * 2);
  layout.m = part(HasOffsets(type) ? scales * kPanelRows * 2 : 0);
  const std::size_t bytes =
      HasSuperblocks(type) ? runs * (HasHalves(type) ? 2 : 1) * kPanelRows : 0;
  layout.multiples = part(bytes);
  layout.minimums = part(HasOffsets(type) ? bytes : 0);
  layout.quants = part(runs * RunBytes(type));
  layout.bytes = at;
  return layout;
}

void PackPanel(QuantType type, const std::uint8_t* rows, std::size_t row_count, std::size_t columns,
               std::uint8_t* panel) {
  const PanelLayout layout = LayOutPanel(type, columns);
  std::memset(panel, 0, layout.bytes);
  for (std::size_t r = 0; r < row_count; ++r) {
    const std::uint8_t* row = rows + r * RowBytes(type, columns);
    if (IsQuantised(type)) {
      PackQuantisedRow(type, row, columns, r, layout, panel);
      continue;
    }
    const std::size_t size = BlockBytes(type);
    for (std::size_t i = 0; i < columns; ++i)
      std::memcpy(panel + (i * kPanelRows + r) * size, row + i * size, size);
  }
}

}  // namespace ragmesh::quant
