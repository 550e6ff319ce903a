// Finding passages: embed the query, search, rerank; each step within its share of the time that is
// left.
#ifndef RAGMESH_LIBS_PIPELINE_SEARCH_H_
#define RAGMESH_LIBS_PIPELINE_SEARCH_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/pipeline/embedders.h"
#include "libs/pipeline/observer.h"
#include "libs/pipeline/stages.h"

namespace ragmesh::pipeline {

// A stage that could not help, and what was done without it.
struct Degradation {
  std::string stage;
  std::string reason;  // ErrorDetail reason
  std::string message;
};

struct StageTiming {
  std::string stage;
  absl::Duration duration;
};

// What the order of a passage came from.
struct Scores {
  std::optional<double> dense, lexical, fused, reranked, model;
  std::optional<std::uint32_t> dense_rank, lexical_rank;
};

struct Passage {
  std::uint32_t number = 0;  // from 1
  stages::StoredChunk chunk;
  double score = 0;  // with diversity the marginal relevance
  Scores scores;
  std::optional<stages::HitExplanation> explanation;
  // As in stages::SearchHit.
  std::uint32_t position = 0;
  std::uint32_t run = 0;
  std::vector<stages::Neighbour> neighbours;
};

struct SearchRequest {
  std::string collection;
  std::string query;
  // With operators the stages that read sentences get WordsOf the query.
  stages::QuerySyntax query_syntax = stages::QuerySyntax::kPlain;
  std::optional<stages::FieldWeights> lexical_weights;
  std::uint32_t top_k = 0;  // 0: 10
  stages::SearchMode mode = stages::SearchMode::kHybrid;
  std::optional<stages::Filter> filter;
  bool skip_rerank = false;
  std::uint32_t rerank_candidates = 0;  // 0: the default
  std::optional<stages::Fusion> fusion;
  std::optional<stages::Bm25> bm25;
  // Chosen from the candidates that were reranked, or without reranking from those that
  // `diversity` says.
  std::optional<stages::Diversity> diversity;
  // 0: any number; otherwise top_k counts documents. top_k times it is at most 512.
  std::uint32_t max_per_document = 0;
  stages::NeighbourWindow neighbours;
  bool explain = false;
  std::vector<float> query_vector;  // of `embedder_digest`; empty: the embedder is asked
  std::string embedder_digest;
};

struct SearchResponse {
  std::vector<Passage> passages;
  std::vector<Degradation> degraded;
  std::vector<StageTiming> timings;  // embedder, vector-store, reranker, total
  std::vector<float> query_vector;   // empty without an embedder
  std::string embedder_digest;       // of query_vector
  std::optional<stages::SearchExplanation> explanation;
};

// Thread-safe.
class Searcher {
 public:
  struct Options {
    // Late interaction reads about 24 x 200 tokens in well under a second on two cores.
    std::uint32_t rerank_candidates = 24;
    // Ask the store for what the embedder read of each passage, and hand it to the reranker.
    bool use_tokens = true;
    // Shares of the time that is left when the step begins; the rest is for what follows. A step
    // that overruns its share counts as down.
    double embed_share = 0.4;
    double search_share = 0.8;
    double rerank_share = 0.6;
  };

  Searcher(const Stages& stages, Embedders& embedders, const Options& options, Observer& observer)
      : stages_(stages), embedders_(embedders), options_(options), observer_(observer) {}

  // INVALID_ARGUMENT, NOT_FOUND / COLLECTION_NOT_FOUND; FAILED_PRECONDITION / LEXICAL_ONLY or
  // LEXICAL_ONLY_COLLECTION when vectors are needed and the collection has none, /
  // EMBEDDER_MISMATCH for a vector of another embedder; UNAVAILABLE when the vector store is down,
  // or in dense mode the embedder. Anything else degrades.
  absl::StatusOr<SearchResponse> Search(const Caller& caller, const SearchRequest& request,
                                        const CallContext& call) const;

 private:
  // Once, with the collection as it is when it begins. `moved`: what it named went, or took another
  // embedder, in between.
  absl::StatusOr<SearchResponse> SearchOnce(const Caller& caller, const SearchRequest& request,
                                            bool* moved, const CallContext& call) const;
  // What the store is asked, but for the query's vector.
  absl::StatusOr<stages::SearchRequest> StoreRequest(const Caller& caller,
                                                     const SearchRequest& request,
                                                     const stages::Collection& collection) const;
  absl::StatusOr<std::vector<float>> EmbedQuery(const std::string& query,
                                                const stages::Collection& collection,
                                                const CallContext& call) const;
  // Sets the vector of `search`, or makes it lexical when that is all that can be had.
  absl::Status AddVector(const SearchRequest& request, const stages::Collection& collection,
                         stages::SearchRequest* search, SearchResponse* response,
                         const CallContext& call) const;
  void Rerank(const SearchRequest& request, const stages::Collection& collection,
              std::uint32_t top_k, SearchResponse* response, const CallContext& call) const;

  const Stages stages_;
  Embedders& embedders_;
  const Options options_;
  Observer& observer_;
};

// "The <stage> ...: <what was done instead>", with the reason of `status`. Counted by the observer.
Degradation Degraded(absl::string_view stage, const absl::Status& status, absl::string_view instead,
                     Observer& observer);

// A context that ends when `share` of the time left to `call` is used up.
CallContext ShareOf(const CallContext& call, double share);

// Tells the observer of work done for a caller who has gone.
class WorkMeter {
 public:
  WorkMeter(absl::string_view method, const CallContext& call, Observer& observer);
  ~WorkMeter();
  WorkMeter(const WorkMeter&) = delete;
  WorkMeter& operator=(const WorkMeter&) = delete;

 private:
  const std::string method_;
  const absl::Time begun_ = absl::Now();
  Observer& observer_;
  std::shared_ptr<std::atomic<std::int64_t>> gone_ns_;
  CallContext::Registration registration_;
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_SEARCH_H_
