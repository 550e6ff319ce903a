// Settings of the generator stage and its core, without any transport.
#ifndef RAGMESH_SERVICES_GENERATOR_GENERATOR_STAGE_H_
#define RAGMESH_SERVICES_GENERATOR_GENERATOR_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/flags/flag_set.h"
#include "libs/stages/generator.h"
#include "services/common/model_options.h"

namespace ragmesh::services {

struct GeneratorConfig {
  std::string model = "smollm2-135m-instruct";
  std::int64_t context_tokens = 0;
  std::int64_t max_streams = 4;
  std::int64_t max_waiting = 64;
  std::int64_t kv_bytes = std::int64_t{512} << 20;
  std::string kv_type = "f16";
  std::string passages = "exact";
  std::string mode = "fast";

  void Declare(flags::FlagSet& flags);
};

// `kernel` as for --kernel. FAILED_PRECONDITION / MODEL_NOT_INSTALLED without the model.
absl::StatusOr<std::shared_ptr<stages::Generator>> MakeGenerator(const GeneratorConfig& config,
                                                                 const ModelOptions& models,
                                                                 const std::string& kernel,
                                                                 int threads,
                                                                 const CallContext& call);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GENERATOR_GENERATOR_STAGE_H_
