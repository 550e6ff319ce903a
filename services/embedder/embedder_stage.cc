#include "services/embedder/embedder_stage.h"

#include "libs/base/status_macros.h"
#include "libs/embedding/bert_embedder.h"

namespace ragmesh::services {

void EmbedderConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("embedder_model", &model, "Catalogue name of the encoder.");
  flags.Choice("embedder_precision", &precision, {"auto", "f32", "bf16", "int8"},
               "What the encoder computes in; auto takes int8 if that keeps the vectors of sample "
               "texts to a mean cosine of 0.999 with f32, else bf16 or f32.");
  flags.Int("embedder_max_batch", &max_batch_texts, {1, 4096}, "texts", "Most texts of one batch.");
}

absl::StatusOr<std::shared_ptr<embedding::BertEmbedder>> MakeEmbedder(
    const EmbedderConfig& config, const ModelOptions& models, const std::string& kernel,
    Executor& compute, int threads, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto installed, FindInstalled(models, config.model, call));
  const model_store::Facts& facts = installed.model->facts;
  embedding::BertEmbedder::Options options;
  options.name = config.model;
  options.query_prefix = facts.query_prefix;
  options.passage_prefix = facts.passage_prefix;
  options.max_batch_texts = static_cast<std::size_t>(config.max_batch_texts);
  options.encoder = {embedding::SourceOf(installed)};
  options.encoder.batcher.max_parallel = threads;
  options.encoder.kernel = kernel;
  options.encoder.precision = linalg::ParsePrecision(config.precision);
  options.encoder.not_shared = models.WarnOfPrivateWeights(config.model);
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<embedding::BertEmbedder> embedder,
                           embedding::BertEmbedder::Create(options, compute));
  return embedder;
}

}  // namespace ragmesh::services
