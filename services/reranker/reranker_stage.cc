#include "services/reranker/reranker_stage.h"

#include <optional>
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

// Counts from the start, at zero, whatever the model is.
rerank::OnRanked CountPassages(metrics::Registry& registry) {
  auto& passages = registry.Counters("ragmesh_reranker_passages_total",
                                     "Candidates by whether the model scored them.",
                                     {{"outcome", {"scored", "skipped"}}});
  return [&passages](std::size_t scored, std::size_t skipped) {
    passages.With({"scored"}).Increment(static_cast<double>(scored));
    passages.With({"skipped"}).Increment(static_cast<double>(skipped));
  };
}

// `measured`: whether the default is known to keep this method's quality.
std::optional<rerank::Cascade> CascadeOf(const RerankerConfig& config, bool measured) {
  const bool on = config.cascade == "on" || (config.cascade == "auto" && measured);
  return on ? std::optional(rerank::Cascade{}) : std::nullopt;
}

}  // namespace

void RerankerConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("reranker_model", &model,
               "Catalogue name: an embedder for late interaction, or a cross-encoder.");
  flags.Choice("reranker_precision", &precision, {"auto", "f32", "bf16", "int8"},
               "What the encoder computes in; auto takes int8 if that keeps the vectors of sample "
               "texts to a mean cosine of 0.999 with f32, else bf16 or f32.");
  flags.Choice("reranker_cascade", &cascade, {"auto", "on", "off"},
               "Leave out candidates that will hardly be among those asked for, going by their "
               "retrieval scores; auto: with late interaction only.");
  flags.Bytes("reranker_cache", &cache_bytes, {0, std::int64_t{1} << 40},
              "Memory for the token vectors of passages seen before (late interaction).");
}

absl::StatusOr<std::shared_ptr<stages::Reranker>> MakeReranker(
    const RerankerConfig& config, const ModelOptions& models, const std::string& kernel,
    Executor& compute, int threads, std::shared_ptr<embedding::TextEncoder> shared,
    metrics::Registry& registry, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto installed, FindInstalled(models, config.model, call));
  const rerank::OnRanked on_ranked = CountPassages(registry);
  if (installed.model->role == model_store::Role::kReranker) {
    rerank::CrossEncoderReranker::Options options;
    options.name = config.model;
    options.cascade = CascadeOf(config, /*measured=*/false);
    options.on_ranked = on_ranked;
    options.encoder = EncoderOptions(config, models, installed, kernel, threads);
    RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<stages::Reranker> reranker,
                             rerank::CrossEncoderReranker::Create(options, compute));
    return reranker;
  }
  rerank::LateInteractionReranker::Options options;
  options.name = config.model;
  options.cascade = CascadeOf(config, /*measured=*/true);
  options.on_ranked = on_ranked;
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
