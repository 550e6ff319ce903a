#include "services/common/model_options.h"

#include "absl/strings/str_cat.h"

namespace ragmesh::services {

void ModelOptions::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("model_cache", &cache, "Folder of the model cache. `ragmesh models pull` fills it.");
}

std::function<void(const absl::Status&)> ModelOptions::WarnOfPrivateWeights(
    const std::string& model) const {
  return [log = log, model](const absl::Status& why) {
    if (log == nullptr) return;
    log->Warning("weights_not_shared",
                 {{"model", model},
                  {"reason", why},
                  {"next_step", absl::StrCat("Run `ragmesh models quantize ", model,
                                             "` on such a machine where the model cache may be "
                                             "written.")}});
  };
}

absl::StatusOr<model_store::InstalledModel> FindInstalled(const ModelOptions& options,
                                                          absl::string_view name,
                                                          const CallContext& call) {
  return model_store::FindModel(model_store::Catalogue::BuiltIn(),
                                model_store::ModelCache(options.cache), name, call);
}

}  // namespace ragmesh::services
