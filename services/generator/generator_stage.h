// Settings of the generator stage and its core, without any transport.
#ifndef RAGMESH_SERVICES_GENERATOR_GENERATOR_STAGE_H_
#define RAGMESH_SERVICES_GENERATOR_GENERATOR_STAGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/flags/flag_set.h"
#include "libs/metrics/registry.h"
#include "libs/remote_generation/health_watch.h"
#include "libs/stages/generator.h"
#include "services/common/model_options.h"

namespace ragmesh::services {

struct GeneratorConfig {
  std::string model = "smollm2-135m-instruct";
  std::int64_t context_tokens = 0;
  std::int64_t max_streams = 4;
  std::int64_t max_waiting = 64;
  std::int64_t kv_bytes = std::int64_t{512} << 20;
  std::string kv_type = "auto";
  std::string passages = "exact";
  std::string passage_folder;
  std::int64_t passage_disk_bytes = std::int64_t{1} << 30;
  std::string mode = "fast";
  std::string chat_template;  // file; empty: the model's own

  std::string backend = "engine";  // or "openai"
  std::string url;                 // of the model server; the rest is for backend "openai" alone
  std::string key_file;
  std::string ca_file;
  std::string remote_model;
  std::string fallback = "none";  // or "engine"
  absl::Duration silence_timeout = absl::Seconds(60);
  absl::Duration probe_interval = absl::Seconds(10);

  // Has `flags` check what goes together, too, for as long as they are parsed.
  void Declare(flags::FlagSet& flags);
  // INVALID_ARGUMENT / INVALID_FIELD names a flag that is missing, malformed or out of place.
  absl::Status Check() const;
};

// What backend "openai" tells after each probe: OK while the stage can do its work, by the server
// or by the engine that stands in. Called on a thread of the generator's own, for as long as it
// lives.
using OnGeneratorReadiness = remote_generation::HealthWatch::OnProbe;

struct MadeGenerator {
  std::shared_ptr<stages::Generator> generator;
  absl::Status readiness;  // of a model server that does not answer yet, but is watched
};

// `kernel` as for --kernel. `models.log` gets a line when the model server's health changes.
// `registry` is borrowed until the generator is gone. FAILED_PRECONDITION / MODEL_NOT_INSTALLED
// without the model of backend "engine". `config` has been checked.
absl::StatusOr<MadeGenerator> MakeGenerator(const GeneratorConfig& config,
                                            const ModelOptions& models, const std::string& kernel,
                                            int threads, OnGeneratorReadiness on_readiness,
                                            metrics::Registry& registry, const CallContext& call);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_GENERATOR_GENERATOR_STAGE_H_
