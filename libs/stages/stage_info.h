// What a stage says about itself: Info in every service, the status view of the gateway, `ragmesh
// status`.
#ifndef RAGMESH_LIBS_STAGES_STAGE_INFO_H_
#define RAGMESH_LIBS_STAGES_STAGE_INFO_H_

#include <cstdint>
#include <map>
#include <string>

namespace ragmesh::stages {

// The weights behind a stage. Empty digest: the stage has no model or could not load it, or the
// model is another server's, whose weights are not known.
struct ModelInfo {
  std::string name;              // catalogue name, for example "all-minilm-l6-v2"
  std::string digest;            // SHA-256 of the weights file, lower-case hexadecimal
  std::string architecture;      // "bert", "xlm-roberta", "llama", "gemma3"
  std::string precision;         // of the arithmetic: "f32", "int8"
  std::uint32_t dimension = 0;   // of the vectors, 0 when it makes none
  std::uint32_t max_tokens = 0;  // per input (encoders) or context length (decoders)
};

struct StageInfo {
  std::string stage;    // "loader", "splitter", "embedder", "vector-store", ...
  std::string version;  // of ragmesh
  std::string commit;   // of the build
  std::string kernel;   // instruction set in use: "avx2", "scalar"; empty when none
  bool ready = false;
  std::string not_ready_reason;  // empty when ready
  ModelInfo model;
  std::map<std::string, std::int64_t> limits;  // "max_batch_texts" -> 256, names carry their units
  std::map<std::string, std::string>
      features;  // free facts: "pdf" -> "PDFium 7869", "sandbox" -> "landlock+seccomp"
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_STAGE_INFO_H_
