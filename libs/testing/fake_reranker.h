// A reranker that scores by the share of the query's words a candidate holds.
#ifndef RAGMESH_LIBS_TESTING_FAKE_RERANKER_H_
#define RAGMESH_LIBS_TESTING_FAKE_RERANKER_H_

#include <algorithm>
#include <atomic>
#include <vector>

#include "libs/base/status_macros.h"
#include "libs/stages/reranker.h"
#include "libs/testing/fake_embedder.h"
#include "libs/testing/stage_fault.h"

namespace ragmesh::testing {

class FakeReranker final : public stages::Reranker {
 public:
  StageFault fault;
  // Of the candidates so far, those that came with all that FakeEmbedder reads of them, and with
  // ids alone.
  std::atomic<int> with_vectors = 0, with_ids = 0;

  absl::StatusOr<std::vector<stages::Reranked>> Rerank(const stages::RerankRequest& request,
                                                       const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(fault.Check(call));
    const std::vector<float> query = FakeEmbedder::Vector(request.query);
    std::vector<stages::Reranked> ranked;
    for (const stages::RerankCandidate& candidate : request.candidates) {
      using stages::TokenDetail;
      const stages::PassageTokens& tokens = candidate.tokens;
      if (tokens == FakeEmbedder::Tokens(candidate.text, TokenDetail::kVectors)) ++with_vectors;
      if (tokens == FakeEmbedder::Tokens(candidate.text, TokenDetail::kIds)) ++with_ids;
    }
    for (std::size_t i = 0; i < request.candidates.size(); ++i) {
      const std::vector<float> text = FakeEmbedder::Vector(request.candidates[i].text);
      double score = 0;
      for (std::size_t d = 0; d < query.size(); ++d) score += query[d] * text[d];
      ranked.push_back({static_cast<std::uint32_t>(i), score, score});
    }
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.score > b.score; });
    if (request.top_k != 0 && ranked.size() > request.top_k) ranked.resize(request.top_k);
    return ranked;
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    stages::StageInfo info;
    info.stage = "reranker";
    info.ready = true;
    return info;
  }
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_FAKE_RERANKER_H_
