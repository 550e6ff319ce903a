#include "libs/wire/reranker_wire.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"

namespace ragmesh::wire {
namespace {

namespace v1 = ::ragmesh::reranker::v1;

constexpr std::size_t kMaxQueryBytes = 4096;
constexpr std::size_t kMaxCandidates = 512;
constexpr std::size_t kMaxTextBytes = 64 << 10;

absl::StatusOr<stages::RerankCandidate> CandidateFrom(const v1::Candidate& in, const Field& field) {
  stages::RerankCandidate candidate;
  RAGMESH_RETURN_IF_ERROR(CheckBytes(in.text(), 0, kMaxTextBytes, Field(field, "text")));
  candidate.text = in.text();
  if (in.has_dense_score()) {
    RAGMESH_RETURN_IF_ERROR(CheckFinite(in.dense_score(), Field(field, "dense_score")));
    candidate.dense_score = in.dense_score();
  }
  if (in.has_lexical_score()) {
    RAGMESH_RETURN_IF_ERROR(CheckFinite(in.lexical_score(), Field(field, "lexical_score")));
    candidate.lexical_score = in.lexical_score();
  }
  RAGMESH_RETURN_IF_ERROR(CheckTokens(in.tokens(), Field(field, "tokens")));
  candidate.tokens = FromProto(in.tokens());
  return candidate;
}

}  // namespace

void ToProto(const stages::RerankRequest& request, v1::RerankRequest* out) {
  out->set_query(request.query);
  for (const stages::RerankCandidate& candidate : request.candidates) {
    auto* added = out->add_candidates();
    added->set_text(candidate.text);
    if (candidate.dense_score.has_value()) added->set_dense_score(*candidate.dense_score);
    if (candidate.lexical_score.has_value()) added->set_lexical_score(*candidate.lexical_score);
    if (!candidate.tokens.empty()) ToProto(candidate.tokens, added->mutable_tokens());
  }
  out->set_top_k(request.top_k);
  if (request.weights.has_value()) ToProto(*request.weights, out->mutable_weights());
}

absl::StatusOr<stages::RerankRequest> FromProto(const v1::RerankRequest& in, const Field& field) {
  stages::RerankRequest request;
  RAGMESH_RETURN_IF_ERROR(CheckBytes(in.query(), 1, kMaxQueryBytes, Field(field, "query")));
  RAGMESH_RETURN_IF_ERROR(CheckCount(in.candidates_size(), 1, kMaxCandidates, "candidates",
                                     Field(field, "candidates")));
  request.query = in.query();
  for (int i = 0; i < in.candidates_size(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(stages::RerankCandidate candidate,
                             CandidateFrom(in.candidates(i), Field(field, "candidates", i)));
    request.candidates.push_back(std::move(candidate));
  }
  request.top_k = in.top_k();
  if (in.has_weights()) {
    RAGMESH_ASSIGN_OR_RETURN(request.weights, FromProto(in.weights(), Field(field, "weights")));
  }
  return request;
}

void ToProto(const std::vector<stages::Reranked>& results, v1::RerankResponse* out) {
  for (const stages::Reranked& result : results) {
    auto* added = out->add_results();
    added->set_index(result.index);
    added->set_score(result.score);
    added->set_model_score(result.model_score);
  }
}

absl::StatusOr<std::vector<stages::Reranked>> FromProto(const v1::RerankResponse& response,
                                                        std::size_t candidates) {
  std::vector<stages::Reranked> results;
  for (const auto& in : response.results()) {
    if (in.index() >= candidates)
      return absl::InternalError("the reranker named a candidate that it was not given");
    results.push_back({in.index(), in.score(), in.model_score()});
  }
  return results;
}

}  // namespace ragmesh::wire
