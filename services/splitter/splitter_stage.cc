#include "services/splitter/splitter_stage.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/chunking/recursive_splitter.h"
#include "libs/text/wordpiece_tokenizer.h"
#include "libs/version/version.h"

namespace ragmesh::services {

void SplitterConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("splitter_model", &model, "Embedder whose tokenizer counts the tokens of a chunk.");
}

absl::StatusOr<std::shared_ptr<stages::Splitter>> MakeSplitter(const SplitterConfig& config,
                                                               const ModelOptions& models,
                                                               const CallContext& call) {
  chunking::RecursiveSplitter::Options options;
  options.version = Version();
  options.commit = Commit();
  const auto installed = FindInstalled(models, config.model, call);
  if (const auto detail = GetErrorDetail(installed.status());
      detail.has_value() && detail->reason == "MODEL_NOT_INSTALLED") {
    return std::make_shared<chunking::RecursiveSplitter>(installed.status(), std::move(options));
  }
  RAGMESH_RETURN_IF_ERROR(installed.status());
  RAGMESH_ASSIGN_OR_RETURN(auto tokenizer,
                           text::WordPieceTokenizer::FromFile(installed->path("tokenizer.json")));
  options.model_max_tokens =
      installed->model->facts.max_tokens - 2;  // without the two special tokens
  options.tokenizer_name = config.model;
  for (const auto& file : installed->model->files) {
    if (file.name == "tokenizer.json") options.tokenizer_digest = file.sha256;
  }
  return std::make_shared<chunking::RecursiveSplitter>(std::move(tokenizer), std::move(options));
}

}  // namespace ragmesh::services
