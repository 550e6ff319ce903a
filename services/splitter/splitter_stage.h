// Settings of the splitter stage and its core, without any transport.
#ifndef RAGMESH_SERVICES_SPLITTER_SPLITTER_STAGE_H_
#define RAGMESH_SERVICES_SPLITTER_SPLITTER_STAGE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/flags/flag_set.h"
#include "libs/stages/splitter.h"
#include "services/common/model_options.h"

namespace ragmesh::services {

struct SplitterConfig {
  std::string model = "all-minilm-l6-v2";

  void Declare(flags::FlagSet& flags);
};

// Without the model's tokenizer the stage can split by estimate only.
absl::StatusOr<std::shared_ptr<stages::Splitter>> MakeSplitter(const SplitterConfig& config,
                                                               const ModelOptions& models,
                                                               const CallContext& call);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_SPLITTER_SPLITTER_STAGE_H_
