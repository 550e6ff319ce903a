// Where the models of a process are.
#ifndef RAGMESH_SERVICES_COMMON_MODEL_OPTIONS_H_
#define RAGMESH_SERVICES_COMMON_MODEL_OPTIONS_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"
#include "libs/flags/flag_set.h"
#include "libs/model_store/installed_model.h"

namespace ragmesh::services {

struct ModelOptions {
  std::string cache = model_store::ModelCache::DefaultRoot();

  void Declare(flags::FlagSet& flags);
};

// A model of the built-in catalogue whose files are present and have their digests. Errors as
// model_store::FindModel.
absl::StatusOr<model_store::InstalledModel> FindInstalled(const ModelOptions& options,
                                                          absl::string_view name,
                                                          const CallContext& call);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_COMMON_MODEL_OPTIONS_H_
