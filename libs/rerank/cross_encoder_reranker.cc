#include "libs/rerank/cross_encoder_reranker.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/model_files/float_tensor.h"

namespace ragmesh::rerank {

using model_files::FloatTensor;

namespace {
constexpr std::size_t kPairsAtOnce = 32;
}  // namespace

// From the hidden state of [CLS] to the logit.
struct CrossEncoderReranker::Head {
  FloatTensor pooler_weight, pooler_bias, classifier_weight, classifier_bias;

  float Logit(const linalg::Kernels& kernels, const float* cls, std::size_t width) const {
    std::vector<float> pooled(width);
    kernels.dot_rows(cls, pooler_weight.data(), width, width, width, pooled.data());
    for (std::size_t i = 0; i < width; ++i)
      pooled[i] = std::tanh(pooled[i] + pooler_bias.data()[i]);
    return kernels.dot(pooled.data(), classifier_weight.data(), width) + classifier_bias.data()[0];
  }
};

absl::StatusOr<std::unique_ptr<CrossEncoderReranker>> CrossEncoderReranker::Create(
    const Options& options, Executor& compute) {
  RAGMESH_ASSIGN_OR_RETURN(auto encoder, embedding::TextEncoder::Create(options.encoder, compute));
  const embedding::EncoderConfig& config = encoder->model().config();
  if (config.token_types < 2)
    return InvalidField("weights", "know one token type, but a pair needs two");
  RAGMESH_ASSIGN_OR_RETURN(const auto file,
                           model_files::Safetensors::Open(options.encoder.weights_path));
  const std::string pooler = absl::StrCat(config.prefix, "pooler.dense.");
  const std::uint64_t width = config.hidden;
  auto head = std::make_shared<Head>();
  RAGMESH_ASSIGN_OR_RETURN(head->pooler_weight,
                           FloatTensor::Read(file, pooler + "weight", {width, width}));
  RAGMESH_ASSIGN_OR_RETURN(head->pooler_bias, FloatTensor::Read(file, pooler + "bias", {width}));
  RAGMESH_ASSIGN_OR_RETURN(head->classifier_weight,
                           FloatTensor::Read(file, "classifier.weight", {1, width}));
  RAGMESH_ASSIGN_OR_RETURN(head->classifier_bias, FloatTensor::Read(file, "classifier.bias", {1}));
  return std::unique_ptr<CrossEncoderReranker>(
      new CrossEncoderReranker(options, std::move(encoder), std::move(head)));
}

CrossEncoderReranker::CrossEncoderReranker(const Options& options,
                                           std::unique_ptr<embedding::TextEncoder> encoder,
                                           std::shared_ptr<const Head> head)
    : options_(options), head_(std::move(head)), encoder_(std::move(encoder)) {}

absl::StatusOr<std::vector<stages::Reranked>> CrossEncoderReranker::Rerank(
    const stages::RerankRequest& request, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(CheckRequest(request, options_.limits));
  const auto reduce = [head = head_, &kernels = encoder_->model().kernels()](
                          std::size_t tokens, absl::Span<const float> hidden) {
    return std::vector<float>{head->Logit(kernels, hidden.data(), hidden.size() / tokens)};
  };
  std::vector<double> model_scores;
  for (std::size_t first = 0; first < request.candidates.size(); first += kPairsAtOnce) {
    std::vector<embedding::EncoderInput> pairs;
    const std::size_t end = std::min(request.candidates.size(), first + kPairsAtOnce);
    for (std::size_t i = first; i < end; ++i) {
      pairs.push_back(encoder_->PreparePair(request.query, request.candidates[i].text));
    }
    RAGMESH_ASSIGN_OR_RETURN(
        const auto logits,
        encoder_->Run(std::move(pairs), embedding::Priority::kQuery, reduce, call));
    for (const auto& logit : logits) model_scores.push_back(logit[0]);
  }
  const stages::RerankWeights weights =
      request.weights.value_or(stages::RerankWeights{.lexical = 0, .dense = 0, .model = 1});
  return MixScores(request.candidates, model_scores, weights, request.top_k);
}

absl::StatusOr<stages::StageInfo> CrossEncoderReranker::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  stages::StageInfo info;
  info.stage = "reranker";
  info.kernel = encoder_->model().kernels().name;
  info.ready = true;
  info.model = {.name = options_.name,
                .digest = encoder_->digest(),
                .architecture = "bert",
                .precision = std::string(linalg::ToString(encoder_->model().precision())),
                .max_tokens = static_cast<std::uint32_t>(encoder_->model().config().max_tokens)};
  info.limits = {
      {"max_candidates", static_cast<std::int64_t>(options_.limits.max_candidates)},
      {"max_query_bytes", static_cast<std::int64_t>(options_.limits.max_query_bytes)},
      {"max_passage_bytes", static_cast<std::int64_t>(options_.limits.max_passage_bytes)}};
  info.features = {{"method", "cross-encoder"}};
  return info;
}

}  // namespace ragmesh::rerank
