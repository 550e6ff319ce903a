// Two scores of each candidate -> one.
#ifndef RAGMESH_LIBS_RANKING_FUSION_H_
#define RAGMESH_LIBS_RANKING_FUSION_H_

#include <optional>
#include <vector>

#include "libs/ranking/candidate.h"
#include "libs/stages/search_options.h"

namespace ragmesh::ranking {

// What the scores of both lists were measured by; set for z-score only.
struct FusionScales {
  std::optional<stages::ScoreScale> dense;
  std::optional<stages::ScoreScale> lexical;
};

// Fills score, dense_part and lexical_part, and orders the candidates: highest first, ties by
// `comes_first`.
//
// Z-score: both scores of every candidate must be set. Each kind of score is brought to mean 0 and
// deviation 1 over all candidates, and the sum is weighted; scores that are all equal add 0. The
// result depends on the set of candidates alone, not on which list proposed which, nor on their
// order.
//
// Reciprocal rank (Cormack, Clarke and Buettcher, SIGIR 2009): the sum of 1 / (rank_constant +
// rank) over the lists that have the candidate.
FusionScales Fuse(const stages::Fusion& fusion, ComesFirst comes_first,
                  std::vector<Candidate>* candidates);

}  // namespace ragmesh::ranking

#endif  // RAGMESH_LIBS_RANKING_FUSION_H_
