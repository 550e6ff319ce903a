#include "libs/rerank/late_interaction_reranker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"

namespace ragmesh::rerank {
namespace {

// Every row scaled to unit length; a row of zeros stays so.
std::vector<float> UnitRows(const linalg::Kernels& kernels, std::size_t rows,
                            absl::Span<const float> hidden) {
  std::vector<float> vectors(hidden.begin(), hidden.end());
  const std::size_t width = hidden.size() / rows;
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = vectors.data() + r * width;
    const float norm = std::sqrt(kernels.dot(row, row, width));
    if (norm > 0) kernels.scale(1.0f / norm, row, width);
  }
  return vectors;
}

}  // namespace

LateInteractionReranker::LateInteractionReranker(const Options& options,
                                                 std::shared_ptr<embedding::TextEncoder> encoder)
    : options_(options), encoder_(std::move(encoder)), cache_(options.cache_bytes) {}

absl::StatusOr<std::vector<stages::Reranked>> LateInteractionReranker::Rerank(
    const stages::RerankRequest& request, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckRequest(request, options_.limits));
  const absl::string_view query_text = request.query;
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Vectors> query, Encode({&query_text, 1}, call));
  const auto score =
      [&](absl::Span<const std::size_t> candidates) -> absl::StatusOr<std::vector<double>> {
    std::vector<absl::string_view> texts;
    for (const std::size_t i : candidates) texts.push_back(request.candidates[i].text);
    RAGMESH_ASSIGN_OR_RETURN(const std::vector<Vectors> passages, EncodePassages(texts, call));
    std::vector<double> scores;
    for (const Vectors& passage : passages) {
      RAGMESH_RETURN_IF_ERROR(call.Check());
      scores.push_back(MaxSim(*query[0], *passage));
    }
    return scores;
  };
  return RankInWaves(request, request.weights.value_or(options_.weights), options_.cascade, score,
                     options_.on_ranked);
}

absl::StatusOr<std::vector<LateInteractionReranker::Vectors>> LateInteractionReranker::Encode(
    absl::Span<const absl::string_view> texts, const CallContext& call) {
  std::vector<embedding::EncoderInput> inputs;
  inputs.reserve(texts.size());
  for (const absl::string_view text : texts) inputs.push_back(encoder_->Prepare(text));
  const auto reduce = [&kernels = encoder_->model().kernels()](std::size_t tokens,
                                                               absl::Span<const float> hidden) {
    return UnitRows(kernels, tokens, hidden);
  };
  // A person waits for this order, so its passages go before those of an ingest.
  RAGMESH_ASSIGN_OR_RETURN(
      auto results, encoder_->Run(std::move(inputs), embedding::Priority::kQuery, reduce, call));
  std::vector<Vectors> vectors;
  vectors.reserve(results.size());
  for (auto& result : results)
    vectors.push_back(std::make_shared<const std::vector<float>>(std::move(result)));
  return vectors;
}

absl::StatusOr<std::vector<LateInteractionReranker::Vectors>>
LateInteractionReranker::EncodePassages(absl::Span<const absl::string_view> passages,
                                        const CallContext& call) {
  std::vector<Vectors> vectors(passages.size());
  std::vector<std::string> keys(passages.size());
  std::vector<absl::string_view> missing;
  absl::flat_hash_map<std::string, std::size_t>
      place;  // key -> index into `missing`; a text may come twice
  for (std::size_t i = 0; i < passages.size(); ++i) {
    keys[i] = Sha256Hex(passages[i]);
    vectors[i] = cache_.Get(keys[i]);
    if (vectors[i] == nullptr && place.try_emplace(keys[i], missing.size()).second)
      missing.push_back(passages[i]);
  }
  if (missing.empty()) return vectors;
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Vectors> encoded, Encode(missing, call));
  for (std::size_t i = 0; i < passages.size(); ++i) {
    if (vectors[i] != nullptr) continue;
    vectors[i] = encoded[place.at(keys[i])];
    cache_.Put(keys[i], vectors[i]);
  }
  return vectors;
}

double LateInteractionReranker::MaxSim(const std::vector<float>& query,
                                       const std::vector<float>& passage) const {
  const linalg::Kernels& kernels = encoder_->model().kernels();
  const std::size_t width = encoder_->model().config().hidden;
  std::size_t query_rows = query.size() / width, passage_rows = passage.size() / width;
  const float* query_begin = query.data();
  const float* passage_begin = passage.data();
  // Without special tokens, unless nothing else is there to compare.
  if (!options_.include_special_tokens && query_rows > 2) query_begin += width, query_rows -= 2;
  if (!options_.include_special_tokens && passage_rows > 2)
    passage_begin += width, passage_rows -= 2;
  std::vector<float> cosines(passage_rows);
  double sum = 0;
  for (std::size_t q = 0; q < query_rows; ++q) {
    kernels.dot_rows(query_begin + q * width, passage_begin, width, passage_rows, width,
                     cosines.data());
    sum += *std::max_element(cosines.begin(), cosines.end());
  }
  return sum / static_cast<double>(query_rows);
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
                   {"special_tokens", options_.include_special_tokens ? "compared" : "left out"}};
  return info;
}

}  // namespace ragmesh::rerank
