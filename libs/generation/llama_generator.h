// The generator stage on this machine: llama and its relatives (model_config.h) from GGUF files.
#ifndef RAGMESH_LIBS_GENERATION_LLAMA_GENERATOR_H_
#define RAGMESH_LIBS_GENERATION_LLAMA_GENERATOR_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/generation/decoder.h"
#include "libs/generation/passage_folder.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

struct GeneratorOptions {
  std::string path;              // of the GGUF file; empty: no model
  std::string name;              // of the model, as the catalogue has it
  std::string digest;            // SHA-256 of the file, checked by whoever fetched it
  std::size_t context = 0;       // tokens per stream; 0: as many as model and kv_bytes allow
  std::size_t max_streams = 4;   // generations that run at the same time
  std::size_t max_waiting = 64;  // generations that wait for one of them to end
  std::size_t kv_bytes = std::size_t{1} << 30;  // keys and values of all running generations
  ComputeMode mode = ComputeMode::kFast;
  // As in Engine::Options.
  bool blend_passages = false;
  bool guess = true;
  // Where passages that were read are kept for later runs, see PassageFolder; empty: nowhere. Needs
  // `blend_passages` and `digest`. `passages_fault` is told when that does not go well, which never
  // keeps a generator from its work; may be empty.
  std::string passage_folder;
  std::uint64_t passage_disk_bytes = std::uint64_t{1} << 30;
  std::shared_ptr<PassageCounts> passage_counts = {};
  std::function<void(const absl::Status& why)> passages_fault;
  // As in DecoderOptions.
  std::optional<quant::KvType> cache;
  std::string packed_folder;
  std::function<void(const absl::Status& why)> not_shared;
  int threads = 0;     // 0: as many as the process may use
  std::string kernel;  // a name as FindQuantKernels takes it; "": the best of this machine
  std::size_t max_prompt_bytes = 4 << 20;
  std::string chat_template;  // Jinja, in place of the model's own; empty: its own
};

// Loads `options.path`; errors name what is wrong with the file or an option.
absl::StatusOr<std::unique_ptr<stages::Generator>> LoadGenerator(const GeneratorOptions& options);

// As LoadGenerator, but when that fails: a generator that answers every call with UNAVAILABLE /
// MODEL_NOT_LOADED, the reason and how to get the model, and whose Info says that it is not ready.
// So an absent model never breaks the mesh.
std::unique_ptr<stages::Generator> OpenGenerator(const GeneratorOptions& options);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_LLAMA_GENERATOR_H_
