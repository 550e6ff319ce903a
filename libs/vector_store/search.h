// The ranking of a search: lists -> candidates -> one order -> hits.
#ifndef RAGMESH_LIBS_VECTOR_STORE_SEARCH_H_
#define RAGMESH_LIBS_VECTOR_STORE_SEARCH_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/ranking/candidate.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_store/candidates.h"
#include "libs/vector_store/step_timer.h"

namespace ragmesh::vector_store {

struct RankedHit {
  ranking::Candidate candidate;  // its item is the slot
  double score = 0;              // what the order of hits is by
  std::optional<double> relevance;
  std::optional<double> similarity;
};

struct RankedHits {
  std::vector<RankedHit> hits;            // best first
  bool prefix_cut = false;                // a prefix stands for more terms than were searched
  stages::SearchExplanation explanation;  // without chunks, allowed and steps
};

// `request` must be valid and its fusion and bm25 set. Hybrid: the best `fusion.candidates` of each
// list are candidates, all get both scores, and the fused order decides. Otherwise the one list's
// order does; it is as long as it must be to serve the quota of documents, at most 10,000. With
// diversity, hits are picked from the best of that order. CANCELLED or DEADLINE_EXCEEDED when
// `call` ends first.
absl::StatusOr<RankedHits> RankChunks(const SearchScope& scope,
                                      const stages::SearchRequest& request, StepTimer* timer,
                                      const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_SEARCH_H_
