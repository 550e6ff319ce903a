// Which chunks are read around hits, and which hits are then one run of text.
#ifndef RAGMESH_LIBS_RANKING_NEIGHBOURS_H_
#define RAGMESH_LIBS_RANKING_NEIGHBOURS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "libs/stages/search_options.h"

namespace ragmesh::ranking {

// Where a hit stands.
struct Place {
  std::uint64_t document = 0;  // a number of the caller's
  std::uint32_t position = 0;  // among the chunks of its document, from 0
};

struct Surroundings {
  std::uint32_t run = 0;                 // from 1, in order of the best hit of each
  std::vector<std::uint32_t> positions;  // neighbours to show with this hit, ascending
};

// One entry a hit. `hits` are in order, without repeats. Each hit covers the chunks of `window`
// around it, cut at the ends of its document; what covers overlap or follow each other without a
// gap is one run. A position goes to the first hit that covers it, and to none when it is a hit
// itself, so nothing is shown twice. `chunks_of(document)` is how many chunks it has.
std::vector<Surroundings> Surround(absl::Span<const Place> hits,
                                   const stages::NeighbourWindow& window,
                                   absl::FunctionRef<std::uint32_t(std::uint64_t)> chunks_of);

}  // namespace ragmesh::ranking

#endif  // RAGMESH_LIBS_RANKING_NEIGHBOURS_H_
