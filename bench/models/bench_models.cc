#include "bench/models/bench_models.h"

#include "libs/base/status_macros.h"
#include "libs/generation/llama_generator.h"
#include "libs/model_store/installed_model.h"

namespace ragmesh::bench {
namespace {

namespace store = ragmesh::model_store;

absl::StatusOr<store::InstalledModel> Find(absl::string_view name) {
  const store::ModelCache cache(store::ModelCache::DefaultRoot());
  return store::FindModel(store::Catalogue::BuiltIn(), cache, name,
                          CallContext(absl::InfiniteFuture()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<embedding::BertEmbedder>> OpenEmbedder(
    Executor& compute, const std::string& kernel, std::optional<linalg::Precision> precision,
    int threads) {
  RAGMESH_ASSIGN_OR_RETURN(const auto model, Find("all-minilm-l6-v2"));
  embedding::BertEmbedder::Options options;
  options.name = model.model->name;
  options.encoder = {embedding::SourceOf(model)};
  // A bench neither depends on an earlier one nor leaves files.
  options.encoder.packed_folder.clear();
  options.encoder.kernel = kernel;
  options.encoder.precision = precision;
  options.encoder.batcher.max_parallel = threads;
  return embedding::BertEmbedder::Create(options, compute);
}

absl::StatusOr<std::unique_ptr<stages::Generator>> OpenGenerator(int threads) {
  RAGMESH_ASSIGN_OR_RETURN(const auto model, Find("smollm2-135m-instruct"));
  generation::GeneratorOptions options;
  options.path = model.path("model.gguf");
  options.name = model.model->name;
  options.digest = model.weights_digest();
  options.threads = threads;
  return generation::LoadGenerator(options);
}

}  // namespace ragmesh::bench
