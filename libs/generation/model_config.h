// The shape of a decoder, as its GGUF file states it.
#ifndef RAGMESH_LIBS_GENERATION_MODEL_CONFIG_H_
#define RAGMESH_LIBS_GENERATION_MODEL_CONFIG_H_

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"
#include "libs/gguf/gguf.h"

namespace ragmesh::generation {

struct ModelConfig {
  std::string architecture;  // "llama" or "qwen2"
  std::size_t layers = 0;
  std::size_t embedding = 0;
  std::size_t feed_forward = 0;
  std::size_t heads = 0;
  std::size_t kv_heads = 0;
  std::size_t head_dim = 0;  // a multiple of 8
  std::size_t context = 0;   // tokens the model was trained for
  std::size_t vocabulary = 0;
  std::size_t rope_dim = 0;  // leading part of a head that rotates
  double rope_base = 10'000;
  double rope_scale = 1;     // divides the angle: linear scaling
  bool rope_halves = false;  // pairs (i, i + rope_dim / 2); otherwise (2i, 2i + 1)
  float rms_epsilon = 1e-5f;
};

// UNIMPLEMENTED / UNSUPPORTED_MODEL for what this decoder cannot run, DATA_LOSS / CORRUPT_DATA for
// a shape that is absent or makes no sense.
absl::StatusOr<ModelConfig> ReadModelConfig(const gguf::File& file);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_MODEL_CONFIG_H_
