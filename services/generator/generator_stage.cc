#include "services/generator/generator_stage.h"

#include <utility>

#include "libs/base/status_macros.h"
#include "libs/generation/llama_generator.h"

namespace ragmesh::services {

void GeneratorConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("generator_model", &model, "Catalogue name of the decoder.");
  flags.Group("Generation");
  flags.Int("generator_context", &context_tokens, {0, 1 << 20}, "tokens",
            "Prompt and answer of one stream together; 0: what model and memory allow.");
  flags.Int("generator_streams", &max_streams, {1, 256}, "streams",
            "Answers written at the same time.");
  flags.Int("generator_waiting", &max_waiting, {0, 100'000}, "streams",
            "Answers that wait for one of them to end; more are refused.");
  flags.Bytes("generator_kv_memory", &kv_bytes, {std::int64_t{1} << 20, std::int64_t{1} << 40},
              "Memory for keys and values of all running answers.");
  flags.Choice("generator_kv_type", &kv_type, {"f16", "q8"},
               "How keys and values are kept in fast mode; q8 takes about half the memory.");
  flags.Choice(
      "generator_passages", &passages, {"exact", "blend"},
      "blend: what was computed for a passage is taken over by other prompts that name it; "
      "the first token comes sooner, the text differs a little.");
  flags.Choice("generator_mode", &mode, {"fast", "exact"},
               "fast: activations rounded to 8 bits. exact: 32-bit, the reference.");
}

absl::StatusOr<std::shared_ptr<stages::Generator>> MakeGenerator(const GeneratorConfig& config,
                                                                 const ModelOptions& models,
                                                                 const std::string& kernel,
                                                                 int threads,
                                                                 const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto installed, FindInstalled(models, config.model, call));
  generation::GeneratorOptions options;
  options.path = installed.path("model.gguf");
  options.name = config.model;
  options.digest = installed.weights_digest();
  options.context = static_cast<std::size_t>(config.context_tokens);
  options.max_streams = static_cast<std::size_t>(config.max_streams);
  options.max_waiting = static_cast<std::size_t>(config.max_waiting);
  options.kv_bytes = static_cast<std::size_t>(config.kv_bytes);
  options.mode =
      config.mode == "exact" ? generation::ComputeMode::kExact : generation::ComputeMode::kFast;
  options.threads = threads;
  options.cache = config.kv_type == "q8" ? linalg::KvType::kQ8 : linalg::KvType::kF16;
  options.blend_passages = config.passages == "blend";
  options.packed_folder = installed.packed_folder;
  options.not_shared = models.WarnOfPrivateWeights(config.model);
  // The names are those of the encoders' tables; where decoders have none of that name, the best of
  // the machine is used.
  options.kernel = linalg::FindQuantKernels(kernel) == nullptr ? "" : kernel;
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<stages::Generator> generator,
                           generation::LoadGenerator(options));
  return generator;
}

}  // namespace ragmesh::services
