// The shape of a decoder, as its GGUF file states it. Architectures differ in data alone: one
// forward pass (decoder.h) reads this and asks for no name.
#ifndef RAGMESH_LIBS_GENERATION_MODEL_CONFIG_H_
#define RAGMESH_LIBS_GENERATION_MODEL_CONFIG_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/generation/rope.h"
#include "libs/gguf/gguf.h"

namespace ragmesh::generation {

enum class Activation { kSilu, kGelu };  // of the gate; GELU in its tanh form

struct ModelConfig {
  std::string architecture;  // llama, qwen2, qwen3, gemma2, gemma3 or phi3
  std::size_t layers = 0;
  std::size_t embedding = 0;
  std::size_t feed_forward = 0;
  std::size_t heads = 0;
  std::size_t kv_heads = 0;  // divides `heads`
  std::size_t head_dim = 0;  // a multiple of 8
  std::size_t context = 0;   // tokens the model was trained for, or fewer when the caller said so
  std::size_t vocabulary = 0;
  float rms_epsilon = 1e-5f;
  Activation activation = Activation::kSilu;

  // What a layer has beside the common parts.
  bool query_key_norm = false;  // an RMS norm of each head of q and k before it rotates
  bool post_norms = false;      // RMS norms of what attention and feed-forward add to the stream
  bool fused = false;           // q, k and v in one matrix, gate and up in another

  float embedding_scale = 1;
  float attention_scale = 1;     // of the scores: 1 / sqrt(head_dim) but for a few models
  float attention_soft_cap = 0;  // above 0: scores s become cap * tanh(s / cap)
  float logit_soft_cap = 0;      // likewise for logits

  std::size_t rope_dim = 0;  // leading part of a head that rotates, even
  bool rope_halves = false;  // pairs (i, i + rope_dim / 2); otherwise (2i, 2i + 1)
  RopeConfig rope;           // of layers that see the whole text
  RopeConfig local_rope;     // of layers with a window

  // Per layer: how many positions it sees, its own included; 0 is all.
  std::vector<std::size_t> windows;
};

// `context`, when above 0, bounds the context that will be served; models that keep other rotations
// for long texts choose by it. UNIMPLEMENTED / UNSUPPORTED_MODEL for what this decoder cannot run,
// DATA_LOSS / CORRUPT_DATA for a shape that is absent or makes no sense; both name the key.
absl::StatusOr<ModelConfig> ReadModelConfig(const gguf::File& file, std::size_t context = 0);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_MODEL_CONFIG_H_
