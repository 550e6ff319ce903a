#include "libs/pipeline/search.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::pipeline {
namespace {

using stages::SearchMode;

constexpr std::uint32_t kDefaultTopK = 10;
constexpr std::uint32_t kMaxTopK = 100;
constexpr std::uint32_t kMaxRerankCandidates = 512;

// Times one step and adds it to the response.
class Stopwatch {
 public:
  Stopwatch(std::string stage, SearchResponse* response, Observer& observer)
      : stage_(std::move(stage)), response_(response), observer_(observer) {}
  void Stop(const absl::Status& status) {
    const absl::Duration took = absl::Now() - begun_;
    response_->timings.push_back({stage_, took});
    observer_.OnStage(stage_, took, status);
  }

 private:
  const std::string stage_;
  SearchResponse* const response_;
  Observer& observer_;
  const absl::Time begun_ = absl::Now();
};

absl::Status Validate(const SearchRequest& request) {
  if (request.query.empty() || request.query.size() > 4096) {
    return InvalidField("query", "must have 1 to 4096 bytes");
  }
  if (request.top_k > kMaxTopK) return InvalidField("top_k", "must be at most 100");
  if (request.rerank_candidates > kMaxRerankCandidates) {
    return InvalidField("rerank_candidates", "must be at most 512");
  }
  return absl::OkStatus();
}

}  // namespace

CallContext ShareOf(const CallContext& call, double share) {
  if (call.deadline() == absl::InfiniteFuture()) return call.Child(call.deadline());
  return call.Child(call.deadline() - call.Remaining() * (1 - share));
}

Degradation Degraded(absl::string_view stage, const absl::Status& status, absl::string_view instead,
                     Observer& observer) {
  const auto detail = GetErrorDetail(status);
  Degradation degradation;
  degradation.stage = std::string(stage);
  if (detail.has_value() && !detail->reason.empty()) {
    degradation.reason = detail->reason;
  } else {
    degradation.reason = absl::IsDeadlineExceeded(status) ? "STAGE_TOO_SLOW" : "STAGE_FAILED";
  }
  degradation.message = absl::StrCat(status.message(), "; ", instead);
  observer.OnDegraded(stage, degradation.reason);
  return degradation;
}

WorkMeter::WorkMeter(absl::string_view method, const CallContext& call, Observer& observer)
    : method_(method),
      observer_(observer),
      gone_ns_(std::make_shared<std::atomic<std::int64_t>>(0)) {
  registration_ = call.OnCancel([gone = gone_ns_] { gone->store(absl::ToUnixNanos(absl::Now())); });
}

WorkMeter::~WorkMeter() {
  const std::int64_t gone = gone_ns_->load();
  if (gone == 0) return;
  const absl::Time left = absl::FromUnixNanos(gone);
  observer_.OnWastedWork(method_, left - begun_, absl::Now() - left);
}

absl::StatusOr<SearchResponse> Searcher::Search(const Caller& caller, const SearchRequest& request,
                                                const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(Validate(request));
  const absl::Time begun = absl::Now();
  SearchResponse response;
  const stages::CollectionId id{caller.tenant, request.collection};
  const CallContext store_call = ShareOf(call, options_.search_share);
  RAGMESH_ASSIGN_OR_RETURN(const stages::Collection collection,
                           stages_.vector_store.GetCollection(id, store_call));

  const std::uint32_t top_k = request.top_k == 0 ? kDefaultTopK : request.top_k;
  std::uint32_t candidates = top_k;
  if (!request.skip_rerank) {
    candidates = std::max(top_k, request.rerank_candidates == 0 ? options_.rerank_candidates
                                                                : request.rerank_candidates);
  }
  stages::SearchRequest search;
  search.collection = id;
  search.mode = request.mode;
  search.query_text = request.query;
  search.top_k = candidates;
  search.fusion = request.fusion;
  search.filter = request.filter;
  search.principal_labels = caller.labels;
  search.parts.tokens = options_.use_tokens && !request.skip_rerank;
  if (search.mode != SearchMode::kLexical && collection.config.embedder_digest.empty()) {
    if (search.mode == SearchMode::kDense) {
      return WrongState("LEXICAL_ONLY", "the collection has no vectors",
                        "search with mode lexical or hybrid");
    }
    search.mode = SearchMode::kLexical;  // as the collection was made: nothing is missing
  }
  if (search.mode != SearchMode::kLexical) {
    Stopwatch watch("embedder", &response, observer_);
    const auto embed = [&]() -> absl::Status {
      const CallContext embed_call = ShareOf(call, options_.embed_share);
      RAGMESH_ASSIGN_OR_RETURN(const EmbedderIdentity::Identity identity,
                               identity_.Get(embed_call));
      RAGMESH_RETURN_IF_ERROR(CheckEmbedderMatches(collection.config.embedder_digest, identity));
      RAGMESH_ASSIGN_OR_RETURN(
          auto embeddings,
          stages_.embedder.Embed(
              {.texts = {request.query}, .input_type = stages::InputType::kQuery}, embed_call));
      if (embeddings.size() != 1)
        return absl::InternalError("the embedder returned another number of vectors");
      response.query_vector = std::move(embeddings[0].values);
      return absl::OkStatus();
    };
    const absl::Status status = embed();
    watch.Stop(status);
    RAGMESH_RETURN_IF_ERROR(call.Check());
    if (!status.ok()) {
      identity_.Forget();
      if (request.mode == SearchMode::kDense) return Annotate(status, "embedder");
      response.degraded.push_back(
          Degraded("embedder", status, "searched by words only", observer_));
      search.mode = SearchMode::kLexical;
    }
  }
  search.query_vector = response.query_vector;
  if (search.mode != SearchMode::kLexical)
    search.embedder_digest = collection.config.embedder_digest;

  Stopwatch watch("vector-store", &response, observer_);
  absl::StatusOr<stages::SearchResult> found =
      stages_.vector_store.Search(search, ShareOf(call, options_.search_share));
  watch.Stop(found.status());
  RAGMESH_RETURN_IF_ERROR(found.status());
  for (stages::SearchHit& hit : found->hits) {
    Passage passage;
    passage.score = hit.score;
    passage.scores.dense = hit.dense_score;
    passage.scores.lexical = hit.lexical_score;
    passage.scores.dense_rank = hit.dense_rank;
    passage.scores.lexical_rank = hit.lexical_rank;
    if (search.mode == SearchMode::kHybrid) passage.scores.fused = hit.score;
    passage.chunk = std::move(hit.chunk);
    response.passages.push_back(std::move(passage));
  }
  if (!request.skip_rerank && response.passages.size() > 1) {
    Rerank(request, collection, top_k, &response, call);
    RAGMESH_RETURN_IF_ERROR(call.Check());
  }
  if (response.passages.size() > top_k) response.passages.resize(top_k);
  for (std::size_t i = 0; i < response.passages.size(); ++i) {
    response.passages[i].number = static_cast<std::uint32_t>(i + 1);
  }
  response.timings.push_back({"total", absl::Now() - begun});
  return response;
}

// On failure the order stays as retrieval made it.
void Searcher::Rerank(const SearchRequest& request, const stages::Collection& collection,
                      std::uint32_t top_k, SearchResponse* response,
                      const CallContext& call) const {
  stages::RerankRequest rerank;
  rerank.query = request.query;
  rerank.weights = collection.config.rerank;
  rerank.top_k = top_k;
  for (Passage& passage : response->passages) {
    rerank.candidates.push_back({stages::EmbeddingText(passage.chunk.chunk), passage.scores.dense,
                                 passage.scores.lexical, std::move(passage.chunk.tokens)});
  }
  Stopwatch watch("reranker", response, observer_);
  auto ranked = stages_.reranker.Rerank(rerank, ShareOf(call, options_.rerank_share));
  if (ranked.ok()) {
    const bool sound = std::all_of(
        ranked->begin(), ranked->end(),
        [&](const stages::Reranked& one) { return one.index < response->passages.size(); });
    if (!sound) ranked = absl::InternalError("the reranker named a candidate it was not given");
  }
  watch.Stop(ranked.status());
  if (!ranked.ok()) {
    if (call.Check().ok()) {
      response->degraded.push_back(
          Degraded("reranker", ranked.status(), "kept the order of retrieval", observer_));
    }
    return;
  }
  std::vector<Passage> ordered;
  for (const stages::Reranked& one : *ranked) {
    Passage passage = response->passages[one.index];
    passage.score = one.score;
    passage.scores.reranked = one.score;
    passage.scores.model = one.model_score;
    ordered.push_back(std::move(passage));
  }
  response->passages = std::move(ordered);
}

}  // namespace ragmesh::pipeline
