// The bytes of a list index: docs/formats/vector-index.md. Only what writes and opens it includes
// this.
#ifndef RAGMESH_LIBS_VECTOR_INDEX_LIST_LAYOUT_H_
#define RAGMESH_LIBS_VECTOR_INDEX_LIST_LAYOUT_H_

#include <cstddef>
#include <cstdint>

#include "libs/vector_index/list_index.h"

namespace ragmesh::vector_index {

inline constexpr char kListMagic[8] = {'r', 'm', 'l', 'i', 's', 't', 's', '1'};

struct ListHeader {
  char magic[8];
  std::uint32_t dimension;
  std::uint32_t rows;
  std::uint32_t lists;
  std::uint32_t blocks;
  std::uint32_t reserved[10];
  SearchMargins margins[kRecallTargets.size()];
};
static_assert(sizeof(ListHeader) == 128);

constexpr std::uint64_t ToLines(std::uint64_t bytes) { return (bytes + 63) / 64 * 64; }

// Where the parts begin.
struct ListLayout {
  ListLayout(std::uint64_t dimension, std::uint64_t size, std::uint64_t block_bytes,
             std::uint64_t lists, std::uint64_t blocks)
      : mean(sizeof(ListHeader)),
        entries(mean + ToLines(dimension * sizeof(float))),
        directions(entries + ToLines(lists * sizeof(ListEntry))),
        sign_blocks(directions + ToLines(lists * size)),
        end(sign_blocks + blocks * block_bytes) {}
  std::uint64_t mean, entries, directions, sign_blocks, end;
};

}  // namespace ragmesh::vector_index

#endif  // RAGMESH_LIBS_VECTOR_INDEX_LIST_LAYOUT_H_
