#include "services/splitter/splitter_stage.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/chunking/recursive_splitter.h"
#include "libs/text/wordpiece_tokenizer.h"
#include "libs/version/version.h"

namespace ragmesh::services {
namespace {

// A splitter with the tokenizer it borrows.
struct OwnedSplitter {
  OwnedSplitter(std::unique_ptr<text::WordPieceTokenizer> owned,
                chunking::RecursiveSplitter::Options options)
      : tokenizer(std::move(owned)), splitter(*tokenizer, std::move(options)) {}

  std::unique_ptr<text::WordPieceTokenizer> tokenizer;
  chunking::RecursiveSplitter splitter;
};

}  // namespace

void SplitterConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("splitter_model", &model, "Embedder whose tokenizer counts the tokens of a chunk.");
}

absl::StatusOr<std::shared_ptr<stages::Splitter>> MakeSplitter(const SplitterConfig& config,
                                                               const ModelOptions& models,
                                                               const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto installed, FindInstalled(models, config.model, call));
  RAGMESH_ASSIGN_OR_RETURN(auto tokenizer,
                           text::WordPieceTokenizer::FromFile(installed.path("tokenizer.json")));
  chunking::RecursiveSplitter::Options options;
  options.model_max_tokens =
      installed.model->facts.max_tokens - 2;  // without the two special tokens
  options.tokenizer_name = config.model;
  for (const auto& file : installed.model->files) {
    if (file.name == "tokenizer.json") options.tokenizer_digest = file.sha256;
  }
  options.version = Version();
  options.commit = Commit();
  auto owned = std::make_shared<OwnedSplitter>(std::move(tokenizer), std::move(options));
  return std::shared_ptr<stages::Splitter>(owned, &owned->splitter);
}

}  // namespace ragmesh::services
