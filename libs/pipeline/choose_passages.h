// Which of the reranked passages are shown, and what is read around them.
#ifndef RAGMESH_LIBS_PIPELINE_CHOOSE_PASSAGES_H_
#define RAGMESH_LIBS_PIPELINE_CHOOSE_PASSAGES_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/call_context.h"
#include "libs/pipeline/search.h"

namespace ragmesh::pipeline {

// Leaves of `passages`, which are in order, those that `request` wants: at most `top_k`, or so many
// documents; with diversity, passages that differ by the vectors they come with, which must all be
// of one length. Their scores are then the marginal relevance.
absl::Status ChoosePassages(const SearchRequest& request, std::uint32_t top_k,
                            std::vector<Passage>* passages, const CallContext& call);

// Deals the neighbours that the store sent with `found` out anew to `chosen`, a choice of them in
// another order: runs and neighbours become what a search for just these would have given.
void DealNeighbours(const stages::NeighbourWindow& window, std::vector<Passage> found,
                    std::vector<Passage>* chosen);

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_CHOOSE_PASSAGES_H_
