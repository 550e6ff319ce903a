#include "services/reranker/reranker_stage.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/rerank/cross_encoder_reranker.h"
#include "libs/rerank/late_interaction_reranker.h"

namespace ragmesh::services {
namespace {

embedding::TextEncoder::Options EncoderOptions(const RerankerConfig& config,
                                               const ModelOptions& models,
                                               const model_store::InstalledModel& installed,
                                               const std::string& kernel, int threads) {
  embedding::TextEncoder::Options options = {embedding::SourceOf(installed)};
  options.batcher.max_parallel = threads;
  options.kernel = kernel;
  options.precision = linalg::ParsePrecision(config.precision);
  options.not_shared = models.WarnOfPrivateWeights(config.model);
  return options;
}

}  // namespace

void RerankerConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("reranker_model", &model,
               "Catalogue name: an embedder for late interaction, or a cross-encoder.");
  flags.Choice("reranker_precision", &precision, {"auto", "f32", "bf16", "int8"},
               "What the encoder computes in; auto takes int8 if that keeps the vectors of sample "
               "texts to a mean cosine of 0.999 with f32, else bf16 or f32.");
  flags.Bytes("reranker_cache", &cache_bytes, {0, std::int64_t{1} << 40},
              "Memory for the token vectors of passages seen before (late interaction).");
}

absl::StatusOr<std::shared_ptr<stages::Reranker>> MakeReranker(
    const RerankerConfig& config, const ModelOptions& models, const std::string& kernel,
    Executor& compute, int threads, std::shared_ptr<embedding::TextEncoder> shared,
    const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto installed, FindInstalled(models, config.model, call));
  if (installed.model->role == model_store::Role::kReranker) {
    rerank::CrossEncoderReranker::Options options;
    options.name = config.model;
    options.encoder = EncoderOptions(config, models, installed, kernel, threads);
    RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<stages::Reranker> reranker,
                             rerank::CrossEncoderReranker::Create(options, compute));
    return reranker;
  }
  rerank::LateInteractionReranker::Options options;
  options.name = config.model;
  options.cache_bytes = static_cast<std::size_t>(config.cache_bytes);
  if (shared == nullptr || shared->digest() != installed.weights_digest()) {
    RAGMESH_ASSIGN_OR_RETURN(
        shared, embedding::TextEncoder::Create(
                    EncoderOptions(config, models, installed, kernel, threads), compute));
  }
  return std::shared_ptr<stages::Reranker>(
      std::make_shared<rerank::LateInteractionReranker>(options, std::move(shared)));
}

}  // namespace ragmesh::services
