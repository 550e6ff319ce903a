#include "libs/pipeline/search.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/pipeline/choose_passages.h"
#include "libs/pipeline/query_words.h"

namespace ragmesh::pipeline {
namespace {

using stages::SearchMode;

constexpr std::uint32_t kDefaultTopK = 10;
constexpr std::uint32_t kMaxTopK = 100;
constexpr std::uint32_t kMaxRerankCandidates = 512;
constexpr std::uint32_t kMaxPerDocument = 100;
constexpr std::size_t kMaxDimension = 4096;
constexpr int kMoves = 2;  // of a collection's name during one search

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
  if (request.max_per_document > kMaxPerDocument)
    return InvalidField("max_per_document", "must be at most 100");
  const std::uint32_t top_k = request.top_k == 0 ? kDefaultTopK : request.top_k;
  if (top_k * request.max_per_document > kMaxRerankCandidates) {
    return LimitExceeded("max_per_document", top_k * request.max_per_document, kMaxRerankCandidates,
                         "passages", "top_k times max_per_document must not be more.");
  }
  if (request.query_vector.size() > kMaxDimension)
    return InvalidField("query_vector", "must have at most 4096 numbers");
  if (!request.query_vector.empty() && request.embedder_digest.empty()) {
    return InvalidField("embedder_digest", "is required with query_vector",
                        "Send the embedder_digest of the collection that the vector is for.");
  }
  return absl::OkStatus();
}

// What a model reads of the query.
std::string SentenceOf(const SearchRequest& request) {
  return request.query_syntax == stages::QuerySyntax::kOperators ? WordsOf(request.query)
                                                                 : request.query;
}

// An error of the query is about `query` here, and about `query_text` to the store.
absl::Status NamingQuery(const absl::Status& status) {
  constexpr absl::string_view kField = "query_text ";
  const auto detail = GetErrorDetail(status);
  const std::size_t at = status.message().find(kField);  // after the name of the store, or first
  if (!detail.has_value() || detail->field != "query_text" || at == absl::string_view::npos)
    return status;
  return InvalidField("query", status.message().substr(at + kField.size()), detail->next_step);
}

std::vector<Passage> PassagesOf(std::vector<stages::SearchHit> hits) {
  std::vector<Passage> passages;
  for (stages::SearchHit& hit : hits) {
    Passage passage;
    passage.score = hit.score;
    passage.scores.dense = hit.dense_score;
    passage.scores.lexical = hit.lexical_score;
    passage.scores.fused = hit.fused_score;
    passage.scores.dense_rank = hit.dense_rank;
    passage.scores.lexical_rank = hit.lexical_rank;
    passage.explanation = std::move(hit.explanation);
    passage.position = hit.position;
    passage.run = hit.run;
    passage.neighbours = std::move(hit.neighbours);
    passage.chunk = std::move(hit.chunk);
    passages.push_back(std::move(passage));
  }
  return passages;
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

absl::StatusOr<stages::SearchRequest> Searcher::StoreRequest(
    const Caller& caller, const SearchRequest& request,
    const stages::Collection& collection) const {
  stages::SearchRequest search;
  search.collection = collection.config.id;
  search.mode = request.mode;
  search.query_text = request.query;
  search.query_syntax = request.query_syntax;
  search.lexical_weights = request.lexical_weights;
  search.fusion = request.fusion;
  search.bm25 = request.bm25;
  search.filter = request.filter;
  search.principal_labels = caller.labels;
  search.max_per_document = request.max_per_document;
  search.neighbours = request.neighbours;
  search.explain = request.explain;
  search.top_k = request.top_k == 0 ? kDefaultTopK : request.top_k;
  const bool has_vectors = !collection.config.embedder_digest.empty();
  if (request.diversity.has_value() && !has_vectors) {
    return WrongState("LEXICAL_ONLY_COLLECTION",
                      "diversity compares vectors, and the collection has none",
                      "Search without diversity, or limit the passages of each document instead.");
  }
  if (search.mode != SearchMode::kLexical && !has_vectors) {
    if (search.mode == SearchMode::kDense) {
      return WrongState("LEXICAL_ONLY", "the collection has no vectors",
                        "search with mode lexical or hybrid");
    }
    search.mode = SearchMode::kLexical;  // as the collection was made: nothing is missing
  }
  if (request.skip_rerank) {
    search.diversity = request.diversity;
    return search;
  }
  // As many hits, or documents with their hits, as are to be reranked. Hits that differ are chosen
  // from them afterwards.
  const std::uint32_t per_document = std::max(1u, request.max_per_document);
  const std::uint32_t candidates = std::max(
      search.top_k * per_document,
      request.rerank_candidates == 0 ? options_.rerank_candidates : request.rerank_candidates);
  search.top_k = (candidates + per_document - 1) / per_document;
  search.parts.tokens = options_.use_tokens;
  search.parts.vector = request.diversity.has_value();
  return search;
}

absl::StatusOr<std::vector<float>> Searcher::EmbedQuery(const std::string& query,
                                                        const stages::Collection& collection,
                                                        const CallContext& call) const {
  const CallContext embed_call = ShareOf(call, options_.embed_share);
  RAGMESH_ASSIGN_OR_RETURN(const Embedders::Bound embedder,
                           embedders_.For(collection.config.embedder_digest, embed_call));
  auto embeddings = embedder.stage->Embed(
      {.texts = {query}, .input_type = stages::InputType::kQuery}, embed_call);
  if (!embeddings.ok()) {
    embedder.watch->Forget();
    return embeddings.status();
  }
  if (embeddings->size() != 1)
    return absl::InternalError("the embedder returned another number of vectors");
  return std::move((*embeddings)[0].values);
}

absl::Status Searcher::AddVector(const SearchRequest& request, const stages::Collection& collection,
                                 stages::SearchRequest* search, SearchResponse* response,
                                 const CallContext& call) const {
  if (search->mode == SearchMode::kLexical) return absl::OkStatus();
  if (!request.query_vector.empty()) {
    response->query_vector = request.query_vector;
    search->embedder_digest = request.embedder_digest;
  } else {
    Stopwatch watch("embedder", response, observer_);
    auto vector = EmbedQuery(SentenceOf(request), collection, call);
    watch.Stop(vector.status());
    RAGMESH_RETURN_IF_ERROR(call.Check());
    if (!vector.ok()) {
      if (request.mode == SearchMode::kDense) return Annotate(vector.status(), "embedder");
      response->degraded.push_back(
          Degraded("embedder", vector.status(), "searched by words only", observer_));
      search->mode = SearchMode::kLexical;
      return absl::OkStatus();
    }
    response->query_vector = *std::move(vector);
    search->embedder_digest = collection.config.embedder_digest;
  }
  response->embedder_digest = search->embedder_digest;
  search->query_vector = response->query_vector;
  return absl::OkStatus();
}

absl::StatusOr<SearchResponse> Searcher::Search(const Caller& caller, const SearchRequest& request,
                                                const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(Validate(request));
  bool moved = false;
  auto response = SearchOnce(caller, request, &moved, call);
  for (int i = 0; i < kMoves && moved && call.Check().ok(); ++i)
    response = SearchOnce(caller, request, &moved, call);
  return response;
}

absl::StatusOr<SearchResponse> Searcher::SearchOnce(const Caller& caller,
                                                    const SearchRequest& request, bool* moved,
                                                    const CallContext& call) const {
  *moved = false;
  const absl::Time begun = absl::Now();
  SearchResponse response;
  RAGMESH_ASSIGN_OR_RETURN(
      const stages::Collection collection,
      stages_.vector_store.GetCollection({caller.tenant, request.collection},
                                         ShareOf(call, options_.search_share)));
  RAGMESH_ASSIGN_OR_RETURN(stages::SearchRequest search, StoreRequest(caller, request, collection));
  RAGMESH_RETURN_IF_ERROR(AddVector(request, collection, &search, &response, call));

  Stopwatch watch("vector-store", &response, observer_);
  absl::StatusOr<stages::SearchResult> found =
      stages_.vector_store.Search(search, ShareOf(call, options_.search_share));
  watch.Stop(found.status());
  // The collection was asked for by its own name, so what it is called by may have moved on.
  *moved = absl::IsNotFound(found.status()) ||
           (request.query_vector.empty() && absl::IsFailedPrecondition(found.status()) &&
            GetErrorDetail(found.status()).value_or(ErrorDetail()).reason == "EMBEDDER_MISMATCH");
  RAGMESH_RETURN_IF_ERROR(NamingQuery(found.status()));
  response.passages = PassagesOf(std::move(found->hits));
  response.explanation = std::move(found->explanation);
  if (!request.skip_rerank) {
    const std::uint32_t top_k = request.top_k == 0 ? kDefaultTopK : request.top_k;
    const bool expanded = request.neighbours.before + request.neighbours.after > 0;
    std::vector<Passage> all;
    if (expanded) all = response.passages;
    if (response.passages.size() > 1) Rerank(request, collection, top_k, &response, call);
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_RETURN_IF_ERROR(ChoosePassages(request, top_k, &response.passages, call));
    if (expanded) DealNeighbours(request.neighbours, std::move(all), &response.passages);
  }
  for (std::size_t i = 0; i < response.passages.size(); ++i) {
    response.passages[i].number = static_cast<std::uint32_t>(i + 1);
    response.passages[i].chunk.vector.clear();
  }
  response.timings.push_back({"total", absl::Now() - begun});
  return response;
}

// On failure the order stays as retrieval made it.
void Searcher::Rerank(const SearchRequest& request, const stages::Collection& collection,
                      std::uint32_t top_k, SearchResponse* response,
                      const CallContext& call) const {
  stages::RerankRequest rerank;
  rerank.query = SentenceOf(request);
  rerank.weights = collection.config.rerank;
  // A choice among the candidates needs all of them in order.
  const bool chooses = request.diversity.has_value() || request.max_per_document > 0;
  rerank.top_k = chooses ? 0 : top_k;
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
