#include "libs/rerank/late_interaction_reranker.h"

#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/embedding/own_tokens.h"

namespace ragmesh::rerank {
namespace {

// What decides a passage's vectors, as the encoder is given it. Ids and texts are keys of two
// kinds, since only the ids themselves vouch for vectors made of ids that came from elsewhere.
std::string CacheKey(const stages::RerankCandidate& passage, bool own_ids) {
  if (!own_ids) return Sha256Hex(absl::StrCat("text:", passage.text));
  const std::vector<std::uint32_t>& ids = passage.tokens.ids;
  return Sha256Hex(absl::StrCat("ids:", absl::string_view(reinterpret_cast<const char*>(ids.data()),
                                                          ids.size() * sizeof(ids[0]))));
}

}  // namespace

LateInteractionReranker::LateInteractionReranker(const Options& options,
                                                 std::shared_ptr<embedding::TextEncoder> encoder)
    : options_(options), encoder_(std::move(encoder)), cache_(options.cache_bytes) {}

absl::StatusOr<std::vector<stages::Reranked>> LateInteractionReranker::Rerank(
    const stages::RerankRequest& request, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckRequest(request, options_.limits));
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Vectors> query,
                           Encode({encoder_->Prepare(request.query)}, call));
  const MaxSim max_sim(encoder_->model().kernels(), encoder_->model().config().hidden,
                       options_.include_special_tokens, *query[0]);
  const auto score = [&](absl::Span<const std::size_t> candidates) {
    std::vector<const stages::RerankCandidate*> passages;
    for (const std::size_t i : candidates) passages.push_back(&request.candidates[i]);
    return Score(max_sim, passages, call);
  };
  return RankInWaves(request, request.weights.value_or(options_.weights), options_.cascade, score,
                     options_.on_ranked);
}

absl::StatusOr<std::vector<double>> LateInteractionReranker::Score(
    const MaxSim& query, absl::Span<const stages::RerankCandidate* const> candidates,
    const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Vectors> encoded, EncodePassages(candidates, call));
  std::vector<double> scores;
  scores.reserve(candidates.size());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    if (encoded[i] != nullptr) {
      scores.push_back(query.Score(encoded[i]->bytes, encoded[i]->rows));
    } else {
      const std::string& stored = candidates[i]->tokens.vectors;
      scores.push_back(
          query.Score(stored, embedding::RowsOf(encoder_->model().kernels(),
                                                encoder_->model().config().hidden, stored)));
    }
  }
  return scores;
}

absl::StatusOr<std::vector<LateInteractionReranker::Vectors>> LateInteractionReranker::Encode(
    std::vector<embedding::EncoderInput> inputs, const CallContext& call) {
  const auto round = [&kernels = encoder_->model().kernels()](std::size_t tokens,
                                                              absl::Span<const float> hidden) {
    return Vectors(std::make_shared<const embedding::TokenVectors>(
        embedding::RoundTokenVectors(kernels, tokens, hidden)));
  };
  // A person waits for this order, so its passages go before those of an ingest.
  return encoder_->Run(std::move(inputs), embedding::Priority::kQuery, round, call);
}

absl::StatusOr<std::vector<LateInteractionReranker::Vectors>>
LateInteractionReranker::EncodePassages(absl::Span<const stages::RerankCandidate* const> passages,
                                        const CallContext& call) {
  std::vector<Vectors> vectors(passages.size());
  std::vector<std::string> keys(passages.size());
  std::vector<embedding::EncoderInput> missing;
  absl::flat_hash_map<std::string, std::size_t>
      place;  // key -> index into `missing`; a text may come twice
  for (std::size_t i = 0; i < passages.size(); ++i) {
    const stages::PassageTokens& tokens = passages[i]->tokens;
    if (embedding::HasOwnVectors(tokens, *encoder_)) continue;
    const bool own_ids = embedding::HasOwnIds(tokens, *encoder_);
    keys[i] = CacheKey(*passages[i], own_ids);
    vectors[i] = cache_.Get(keys[i]);
    if (vectors[i] != nullptr || !place.try_emplace(keys[i], missing.size()).second) continue;
    missing.push_back(own_ids ? encoder_->Prepare(tokens.ids)
                              : encoder_->Prepare(passages[i]->text));
  }
  if (missing.empty()) return vectors;
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Vectors> encoded, Encode(std::move(missing), call));
  for (std::size_t i = 0; i < passages.size(); ++i) {
    if (vectors[i] != nullptr || keys[i].empty()) continue;
    vectors[i] = encoded[place.at(keys[i])];
    cache_.Put(keys[i], vectors[i]);
  }
  return vectors;
}

absl::StatusOr<stages::StageInfo> LateInteractionReranker::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  const embedding::EncoderConfig& config = encoder_->model().config();
  stages::StageInfo info;
  info.stage = "reranker";
  info.kernel = encoder_->model().kernels().name;
  info.ready = true;
  info.model = {.name = options_.name,
                .digest = encoder_->digest(),
                .architecture = std::string(embedding::ToString(config.layout)),
                .precision = std::string(linalg::ToString(encoder_->model().precision())),
                .dimension = static_cast<std::uint32_t>(config.hidden),
                .max_tokens = static_cast<std::uint32_t>(config.max_tokens)};
  info.limits = {
      {"max_candidates", static_cast<std::int64_t>(options_.limits.max_candidates)},
      {"max_query_bytes", static_cast<std::int64_t>(options_.limits.max_query_bytes)},
      {"max_passage_bytes", static_cast<std::int64_t>(options_.limits.max_passage_bytes)},
      {"cache_bytes", static_cast<std::int64_t>(options_.cache_bytes)}};
  info.features = {{"method", "late-interaction"},
                   {"cascade", options_.cascade.has_value() ? "on" : "off"},
                   {"passage_ids", encoder_->tokenizer_digest()},
                   {"passage_vectors", encoder_->states_digest()},
                   {"special_tokens", options_.include_special_tokens ? "compared" : "left out"}};
  return info;
}

}  // namespace ragmesh::rerank
