#include "libs/rerank/cross_encoder_reranker.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/embedding/own_tokens.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::rerank {

absl::StatusOr<std::unique_ptr<CrossEncoderReranker>> CrossEncoderReranker::Create(
    const Options& options, Executor& compute) {
  RAGMESH_ASSIGN_OR_RETURN(auto encoder, embedding::TextEncoder::Create(options.encoder, compute));
  const embedding::EncoderConfig& config = encoder->model().config();
  if (config.layout == embedding::Layout::kBert && config.token_types < 2)
    return InvalidField("weights", "know one token type, but a pair needs two");
  RAGMESH_ASSIGN_OR_RETURN(const auto file,
                           model_files::Safetensors::Open(options.encoder.weights_path));
  RAGMESH_ASSIGN_OR_RETURN(CrossEncoderHead head, CrossEncoderHead::Read(file, config));
  return std::unique_ptr<CrossEncoderReranker>(
      new CrossEncoderReranker(options, std::move(encoder), std::move(head)));
}

CrossEncoderReranker::CrossEncoderReranker(const Options& options,
                                           std::unique_ptr<embedding::TextEncoder> encoder,
                                           CrossEncoderHead head)
    : options_(options), head_(std::move(head)), encoder_(std::move(encoder)) {}

absl::StatusOr<std::vector<stages::Reranked>> CrossEncoderReranker::Rerank(
    const stages::RerankRequest& request, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckRequest(request, options_.limits));
  const auto reduce = [&head = head_, &kernels = encoder_->model().kernels()](
                          std::size_t, absl::Span<const float> hidden) {
    return head.Logit(kernels, hidden.data());
  };
  const embedding::TokenIds query = encoder_->Tokenize(request.query);
  const auto score =
      [&](absl::Span<const std::size_t> candidates) -> absl::StatusOr<std::vector<double>> {
    std::vector<embedding::EncoderInput> pairs;
    for (const std::size_t i : candidates) {
      const stages::RerankCandidate& passage = request.candidates[i];
      pairs.push_back(encoder_->PreparePair(query, embedding::HasOwnIds(passage.tokens, *encoder_)
                                                       ? passage.tokens.ids
                                                       : encoder_->Tokenize(passage.text)));
    }
    RAGMESH_ASSIGN_OR_RETURN(
        const auto logits,
        encoder_->Run(std::move(pairs), embedding::Priority::kQuery, reduce, call));
    return std::vector<double>(logits.begin(), logits.end());
  };
  const stages::RerankWeights weights =
      request.weights.value_or(stages::RerankWeights{.lexical = 0, .dense = 0, .model = 1});
  return RankInWaves(request, weights, options_.cascade, score, options_.on_ranked);
}

absl::StatusOr<stages::StageInfo> CrossEncoderReranker::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  stages::StageInfo info;
  info.stage = "reranker";
  info.kernel = encoder_->model().kernels().name;
  info.ready = true;
  info.model = {.name = options_.name,
                .digest = encoder_->digest(),
                .architecture = std::string(embedding::ToString(encoder_->model().config().layout)),
                .precision = std::string(linalg::ToString(encoder_->model().precision())),
                .max_tokens = static_cast<std::uint32_t>(encoder_->model().config().max_tokens)};
  info.limits = {
      {"max_candidates", static_cast<std::int64_t>(options_.limits.max_candidates)},
      {"max_query_bytes", static_cast<std::int64_t>(options_.limits.max_query_bytes)},
      {"max_passage_bytes", static_cast<std::int64_t>(options_.limits.max_passage_bytes)}};
  info.features = {{"method", "cross-encoder"},
                   {"cascade", options_.cascade.has_value() ? "on" : "off"},
                   {"passage_ids", encoder_->tokenizer_digest()}};
  return info;
}

}  // namespace ragmesh::rerank
