// Where the models of a process are.
#ifndef RAGMESH_SERVICES_COMMON_MODEL_OPTIONS_H_
#define RAGMESH_SERVICES_COMMON_MODEL_OPTIONS_H_

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"
#include "libs/flags/flag_set.h"
#include "libs/log/logger.h"
#include "libs/model_store/installed_model.h"

namespace ragmesh::services {

struct ModelOptions {
  std::string cache = model_store::ModelCache::DefaultRoot();

  log::Logger* log = nullptr;  // borrowed; null: nobody is warned

  void Declare(flags::FlagSet& flags);

  // For embedding::EncoderSource::not_shared: a line in the log with the command that helps.
  std::function<void(const absl::Status&)> WarnOfPrivateWeights(const std::string& model) const;
};

// A model of the built-in catalogue whose files are present and have their digests. Errors as
// model_store::FindModel.
absl::StatusOr<model_store::InstalledModel> FindInstalled(const ModelOptions& options,
                                                          absl::string_view name,
                                                          const CallContext& call);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_COMMON_MODEL_OPTIONS_H_
