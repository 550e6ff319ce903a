// What is ranked.
#ifndef RAGMESH_LIBS_RANKING_CANDIDATE_H_
#define RAGMESH_LIBS_RANKING_CANDIDATE_H_

#include <cstdint>
#include <optional>

#include "absl/functional/function_ref.h"

namespace ragmesh::ranking {

// One chunk that at least one list proposes. `item` is a number of the caller's, such as a slot.
struct Candidate {
  std::uint32_t item = 0;
  double score = 0;  // what the order is by
  std::optional<double> dense_score;
  std::optional<double> lexical_score;
  std::optional<std::uint32_t> dense_rank;  // from 1; unset: the list does not have it
  std::optional<std::uint32_t> lexical_rank;
  double dense_part = 0;  // what each list added to a fused score
  double lexical_part = 0;
};

// Decides between equal scores, so that the same data gives the same order wherever it is stored.
// Must be a strict order over all items.
using ComesFirst = absl::FunctionRef<bool(std::uint32_t a, std::uint32_t b)>;

}  // namespace ragmesh::ranking

#endif  // RAGMESH_LIBS_RANKING_CANDIDATE_H_
