// Reranking with the embedder's own weights: compares the tokens of query and passage one by one.
#ifndef RAGMESH_LIBS_RERANK_LATE_INTERACTION_RERANKER_H_
#define RAGMESH_LIBS_RERANK_LATE_INTERACTION_RERANKER_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/embedding/text_encoder.h"
#include "libs/rerank/cascade.h"
#include "libs/rerank/max_sim.h"
#include "libs/rerank/score_mix.h"
#include "libs/rerank/token_vector_cache.h"
#include "libs/stages/reranker.h"

namespace ragmesh::rerank {

// Model score: the mean, over the query's tokens, of the highest cosine to a token of the passage
// (MaxSim), between vectors of the last hidden state rounded to bytes. Mixed with the retrieval
// scores, and candidates left out, as RankInWaves says. The same request gives the same answer bit
// for bit, whatever is cached, came with the candidates, and however many threads work.
// Thread-safe.
class LateInteractionReranker final : public stages::Reranker {
 public:
  struct Options {
    std::string name;  // catalogue name of the encoder
    RequestLimits limits;
    stages::RerankWeights weights;  // for requests that bring none
    bool include_special_tokens =
        true;  // compare [CLS] and [SEP] too; without them 0.35/0.35/0.3 suits better
    std::optional<Cascade> cascade = Cascade{};  // unset: every candidate is scored
    OnRanked on_ranked;                          // may be empty; called by many threads at once
    std::size_t cache_bytes = 64 << 20;  // of passage vectors; 200 tokens of width 384 take 80 KB
  };

  LateInteractionReranker(const Options& options, std::shared_ptr<embedding::TextEncoder> encoder);

  // Encodes at most 32 passages between two looks at `call`, and ends within one layer of its
  // cancellation.
  absl::StatusOr<std::vector<stages::Reranked>> Rerank(const stages::RerankRequest& request,
                                                       const CallContext& call) override;
  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

  TokenVectorCache::Stats cache_stats() const { return cache_.stats(); }

 private:
  using Vectors = TokenVectorCache::Vectors;

  // The model scores of `candidates`, in order.
  absl::StatusOr<std::vector<double>> Score(
      const MaxSim& query, absl::Span<const stages::RerankCandidate* const> candidates,
      const CallContext& call);
  // Token vectors in the order of `inputs`.
  absl::StatusOr<std::vector<Vectors>> Encode(std::vector<embedding::EncoderInput> inputs,
                                              const CallContext& call);
  // Those of passages, by way of the cache; null for one that came with its own.
  absl::StatusOr<std::vector<Vectors>> EncodePassages(
      absl::Span<const stages::RerankCandidate* const> passages, const CallContext& call);

  const Options options_;
  const std::shared_ptr<embedding::TextEncoder> encoder_;
  TokenVectorCache cache_;
};

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_LATE_INTERACTION_RERANKER_H_
