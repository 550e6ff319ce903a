#include "services/ragmesh/golden_searches.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

constexpr std::size_t kEmbedBatch = 64;

}  // namespace

absl::Status GoldenSearches::Embed(absl::FunctionRef<void(std::size_t)> on_done) {
  vectors_.clear();
  for (std::size_t begin = 0; hybrid() && begin < questions_.size(); begin += kEmbedBatch) {
    v1::EmbedRequest request;
    request.set_query(true);
    request.set_collection(collection_.name());
    const std::size_t end = std::min(begin + kEmbedBatch, questions_.size());
    for (std::size_t i = begin; i < end; ++i) request.add_texts(questions_[i].question);
    v1::EmbedResponse response;
    const auto context = gateway_.NewContext();
    RAGMESH_RETURN_IF_ERROR(
        gateway_.ToStatus(gateway_.stub().Embed(context.get(), request, &response)));
    if (response.model() != collection_.embedder_model()) {
      return WrongState(
          "EMBEDDER_MISMATCH",
          absl::StrCat("the server embeds with ", response.model(),
                       ", the collection was filled by ", collection_.embedder_model()),
          "Start the server with the collection's embedder.");
    }
    for (const v1::Embedding& embedding : response.embeddings())
      vectors_.emplace_back(embedding.values().begin(), embedding.values().end());
    on_done(end);
  }
  if (hybrid() && vectors_.size() != questions_.size())
    return absl::InternalError("the server returned another number of vectors");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> GoldenSearches::RankOne(
    std::size_t question, const tuning::Settings& settings) const {
  const tuning::GoldenQuestion& golden = questions_[question];
  v1::SearchRequest request;
  request.set_collection(collection_.name());
  request.set_query(golden.question);
  request.set_top_k(top_k_);
  request.set_skip_rerank(true);
  if (golden.by != tuning::RelevantBy::kChunk) request.set_max_per_document(1);
  auto* fusion = request.mutable_fusion();
  fusion->set_method(settings.fusion.method == stages::FusionMethod::kReciprocalRank
                         ? common::v1::Fusion::METHOD_RECIPROCAL_RANK
                         : common::v1::Fusion::METHOD_Z_SCORE);
  fusion->set_dense_weight(settings.fusion.dense_weight);
  fusion->set_rank_constant(settings.fusion.rank_constant);
  fusion->set_candidates(settings.fusion.candidates);
  request.mutable_bm25()->set_k1(settings.bm25.k1);
  request.mutable_bm25()->set_b(settings.bm25.b);
  if (!vectors_.empty()) {
    const std::vector<float>& vector = vectors_[question];
    *request.mutable_query_vector() = {vector.begin(), vector.end()};
    request.set_embedder_digest(collection_.embedder_digest());
  }
  v1::SearchResponse response;
  const auto context = gateway_.NewContext();
  RAGMESH_RETURN_IF_ERROR(
      gateway_.ToStatus(gateway_.stub().Search(context.get(), request, &response)));
  if (response.degraded_size() > 0) {
    return Unavailable("STAGE_DEGRADED", response.degraded(0).message(),
                       "Wait until every stage works (`ragmesh status`), then tune again.");
  }
  std::vector<std::string> ranking;
  for (const v1::Passage& passage : response.passages()) {
    const std::string& found = golden.by == tuning::RelevantBy::kName ? passage.document_name()
                               : golden.by == tuning::RelevantBy::kDocument ? passage.document_id()
                                                                            : passage.chunk_id();
    // Two documents may have one name.
    if (std::find(ranking.begin(), ranking.end(), found) == ranking.end()) ranking.push_back(found);
  }
  return ranking;
}

absl::StatusOr<tuning::Rankings> GoldenSearches::RankAll(const tuning::Settings& settings,
                                                         absl::FunctionRef<void()> on_done) const {
  tuning::Rankings rankings(questions_.size());
  std::atomic<std::size_t> next{0};
  absl::Mutex mutex;
  absl::Status failed;  // guarded by mutex, like on_done
  const auto work = [&] {
    for (std::size_t i; (i = next.fetch_add(1)) < questions_.size();) {
      auto ranking = RankOne(i, settings);
      absl::MutexLock lock(&mutex);
      if (!ranking.ok()) {
        if (failed.ok()) {
          failed =
              Annotate(ranking.status(), absl::StrCat("question of line ", questions_[i].line));
        }
        next = questions_.size();
        return;
      }
      rankings[i] = *std::move(ranking);
      on_done();
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < parallel_; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  RAGMESH_RETURN_IF_ERROR(failed);
  return rankings;
}

}  // namespace ragmesh::cli
