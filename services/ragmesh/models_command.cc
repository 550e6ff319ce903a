// ragmesh models list|pull|quantize|verify|path|rm.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/call_context.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/flags/flag_set.h"
#include "libs/model_store/catalogue.h"
#include "libs/model_store/installed_model.h"
#include "libs/model_store/model_cache.h"
#include "libs/model_store/puller.h"
#include "nlohmann/json.hpp"
#include "services/common/server_flags.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/quantize_models.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

// "91 MB": sizes of downloads are told in millions of bytes, as everywhere.
std::string Megabytes(std::int64_t bytes) {
  return absl::StrCat(std::max<std::int64_t>(1, (bytes + 500'000) / 1'000'000), " MB");
}

namespace store = ragmesh::model_store;

class ModelsCommand final : public Command {
 public:
  std::string Name() const override { return "models"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags =
        root.Subcommand("models", "Lists, obtains, checks and removes model weights.");
    flags::FlagSet& list =
        flags.Subcommand("list", "The catalogue, and what of it is here.", "ragmesh models list");
    Common(list);
    flags::FlagSet& pull = flags.Subcommand(
        "pull", "Obtains models; without a name, the default ones. Goes on where it stopped.",
        "ragmesh models pull all-minilm-l6-v2");
    pull.PositionalList("name", &names_, /*required=*/false, "Names from `ragmesh models list`.");
    Common(pull);
    flags::FlagSet& quantize = flags.Subcommand(
        "quantize",
        "Rounds the weights of encoders and packs them for this processor ahead of time, says what "
        "that costs in accuracy, and keeps them in the model cache. Processes then start in "
        "milliseconds and share one copy in memory. Without a name, all encoders that are here.",
        "ragmesh models quantize all-minilm-l6-v2 --precision=int8");
    quantize.PositionalList("name", &names_, /*required=*/false,
                            "Embedders and rerankers from `ragmesh models list`.");
    quantize.Choice("precision", &quantize_.precision, {"all", "f32", "bf16", "int8"},
                    "What to pack for; all: what rounds, and what `auto` of the stages takes.");
    services::AddKernelFlag(quantize, &quantize_.kernel);
    Common(quantize);
    flags::FlagSet& verify = flags.Subcommand(
        "verify", "Reads every byte of the models that are here and compares digests.",
        "ragmesh models verify");
    verify.PositionalList("name", &names_, /*required=*/false,
                          "Models; default: all that are here.");
    Common(verify);
    flags::FlagSet& path = flags.Subcommand("path", "Where the files of a model are.",
                                            "ragmesh models path smollm2-135m-instruct");
    path.PositionalList("name", &names_, /*required=*/true, "Models.");
    Common(path);
    flags::FlagSet& remove = flags.Subcommand("rm", "Removes the files of a model.",
                                              "ragmesh models rm qwen2.5-coder-0.5b-instruct");
    remove.PositionalList("name", &names_, /*required=*/true, "Models.");
    Common(remove);
  }

  int Run(const std::string& chosen) override {
    const store::ModelCache cache(root_.empty() ? store::ModelCache::DefaultRoot() : root_);
    absl::Status status;
    if (chosen == "models list") status = List(cache);
    if (chosen == "models pull") status = Pull(cache);
    if (chosen == "models quantize") status = Quantize(cache);
    if (chosen == "models verify") status = Verify(cache);
    if (chosen == "models path") status = Paths(cache);
    if (chosen == "models rm") status = Remove(cache);
    return status.ok() ? kOk : Fail(status, json_);
  }

 private:
  void Common(flags::FlagSet& flags) {
    flags.String("model_cache", &root_,
                 "Model cache; default $RAGMESH_MODEL_CACHE or ragmesh/models in the user's cache "
                 "folder.");
    flags.Bool("json", &json_, "Print JSON, one object a line.");
    flags.Bool("quiet", &quiet_, "No progress on stderr.");
  }

  absl::StatusOr<std::vector<const store::Model*>> Chosen(bool defaults) const {
    std::vector<const store::Model*> models;
    for (const std::string& name : names_) {
      RAGMESH_ASSIGN_OR_RETURN(const store::Model* model, catalogue_.Find(name));
      models.push_back(model);
    }
    if (names_.empty()) {
      for (const store::Model& model : catalogue_.models()) {
        if (!defaults || model.is_default) models.push_back(&model);
      }
    }
    return models;
  }

  absl::Status List(const store::ModelCache& cache) const {
    const Terminal terminal = Terminal::Of(1);
    for (const store::ModelState& state : store::ListModels(catalogue_, cache)) {
      const store::Model& model = *state.model;
      if (json_) {
        std::printf("%s\n", nlohmann::json{{"name", model.name},
                                           {"role", std::string(store::RoleName(model.role))},
                                           {"installed", state.installed},
                                           {"default", model.is_default},
                                           {"size_bytes", state.size_bytes},
                                           {"licence", model.licence},
                                           {"summary", model.summary}}
                                .dump()
                                .c_str());
        continue;
      }
      const std::string mark = state.installed ? terminal.Good("here   ") : "absent ";
      std::printf("%s %s  %s%s, %s, %s\n", mark.c_str(), terminal.Bold(model.name).c_str(),
                  std::string(store::RoleName(model.role)).c_str(),
                  model.is_default ? " (default)" : "", Megabytes(state.size_bytes).c_str(),
                  model.licence.c_str());
      std::printf("%s\n", terminal.Dim(Wrap(model.summary, terminal.columns, 8)).c_str());
    }
    return absl::OkStatus();
  }

  absl::Status Pull(const store::ModelCache& cache) const {
    RAGMESH_ASSIGN_OR_RETURN(const auto models, Chosen(/*defaults=*/true));
    const store::Puller puller(cache, store::PullOptions::FromEnvironment());
    const CallContext call(absl::InfiniteFuture());
    for (const store::Model* model : models) {
      Progress bar(model->name, "MB", quiet_ || json_);
      const auto show = [&](const store::PullProgress& progress) {
        using Step = store::PullProgress::Step;
        if (progress.step == Step::kTransfer) {
          bar.Update(static_cast<std::uint64_t>(progress.done_bytes) >> 20,
                     static_cast<std::uint64_t>(progress.total_bytes) >> 20,
                     absl::StrCat(progress.file, " from ", progress.source));
        } else if (!quiet_ && !json_) {
          bar.Clear();
          const char* word = progress.step == Step::kPresent  ? "is here"
                             : progress.step == Step::kStored ? "stored"
                                                              : "not from this source";
          std::fprintf(stderr, "%s: %s %s%s%s\n", model->name.c_str(), progress.file.c_str(), word,
                       progress.problem.empty() ? "" : ": ", Printable(progress.problem).c_str());
        }
      };
      RAGMESH_RETURN_IF_ERROR(puller.Pull(*model, show, call));
      if (json_) {
        std::printf("%s\n",
                    nlohmann::json{{"name", model->name}, {"installed", true}}.dump().c_str());
      }
    }
    return absl::OkStatus();
  }

  absl::Status Quantize(const store::ModelCache& cache) {
    RAGMESH_ASSIGN_OR_RETURN(auto models, Chosen(/*defaults=*/false));
    if (names_.empty()) {
      std::erase_if(models, [&](const store::Model* model) {
        return (model->role != store::Role::kEmbedder && model->role != store::Role::kReranker) ||
               !cache.Has(model->files.front().sha256);
      });
      if (models.empty()) {
        return WrongState("MODEL_NOT_INSTALLED", absl::StrCat("no encoder is in ", cache.root()),
                          "Run: ragmesh models pull");
      }
    }
    quantize_.json = json_;
    quantize_.quiet = quiet_;
    return QuantizeModels(models, cache, quantize_);
  }

  absl::Status Verify(const store::ModelCache& cache) const {
    const CallContext call(absl::InfiniteFuture());
    RAGMESH_ASSIGN_OR_RETURN(const auto models, Chosen(/*defaults=*/false));
    for (const store::Model* model : models) {
      bool whole = true;
      for (const store::File& file : model->files) whole = whole && cache.Has(file.sha256);
      if (names_.empty() && !whole) continue;
      RAGMESH_RETURN_IF_ERROR(store::VerifyModel(cache, *model, call));
      std::printf("%s: every file has its digest\n", model->name.c_str());
    }
    return absl::OkStatus();
  }

  absl::Status Paths(const store::ModelCache& cache) const {
    const CallContext call(absl::InfiniteFuture());
    for (const std::string& name : names_) {
      RAGMESH_ASSIGN_OR_RETURN(const auto model, store::FindModel(catalogue_, cache, name, call));
      for (const auto& [file, path] : model.paths) {
        std::printf("%s\t%s\t%s\n", name.c_str(), file.c_str(), path.c_str());
      }
    }
    return absl::OkStatus();
  }

  absl::Status Remove(const store::ModelCache& cache) const {
    RAGMESH_ASSIGN_OR_RETURN(const auto models, Chosen(/*defaults=*/false));
    for (const store::Model* model : models) {
      RAGMESH_ASSIGN_OR_RETURN(const std::int64_t freed,
                               store::RemoveModel(catalogue_, cache, *model));
      std::printf("%s: %s freed\n", model->name.c_str(), Megabytes(freed).c_str());
    }
    return absl::OkStatus();
  }

  const store::Catalogue& catalogue_ = store::Catalogue::BuiltIn();
  std::vector<std::string> names_;
  std::string root_;
  QuantizeOptions quantize_;
  bool json_ = false, quiet_ = false;
};

}  // namespace

std::unique_ptr<Command> MakeModelsCommand() { return std::make_unique<ModelsCommand>(); }

}  // namespace ragmesh::cli
