#include "services/common/model_options.h"

namespace ragmesh::services {

void ModelOptions::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("model_cache", &cache, "Folder of the model cache. `ragmesh models pull` fills it.");
}

absl::StatusOr<model_store::InstalledModel> FindInstalled(const ModelOptions& options,
                                                          absl::string_view name,
                                                          const CallContext& call) {
  return model_store::FindModel(model_store::Catalogue::BuiltIn(),
                                model_store::ModelCache(options.cache), name, call);
}

}  // namespace ragmesh::services
