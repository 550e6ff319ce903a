#include "libs/generation/model_config.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::generation {
namespace {

absl::Status Unsupported(const gguf::File& file, absl::string_view what) {
  return MakeError(absl::StatusCode::kUnimplemented, absl::StrCat(file.name(), ": ", what),
                   {.reason = "UNSUPPORTED_MODEL",
                    .next_step = "Use a llama or qwen2 model, or name another generator backend."});
}

// Required integers between 1 and `most`, which is far above any real model and keeps products
// small.
absl::StatusOr<std::size_t> Size(const gguf::File& file, const std::string& key,
                                 std::uint64_t most) {
  const std::optional<std::uint64_t> value = file.GetUint(key);
  if (!value.has_value()) return Corrupt(file.name(), absl::StrCat("has no ", key));
  if (*value < 1 || *value > most) {
    return Corrupt(file.name(), absl::StrCat(key, " is ", *value, ", not between 1 and ", most));
  }
  return static_cast<std::size_t>(*value);
}

absl::Status ReadRope(const gguf::File& file, const std::string& prefix, ModelConfig* config) {
  config->rope_base = file.GetFloat(prefix + "rope.freq_base").value_or(10'000);
  if (!(config->rope_base >= 1 && config->rope_base <= 1e12)) {
    return Corrupt(file.name(), "rope.freq_base is out of range");
  }
  const absl::string_view scaling = file.GetString(prefix + "rope.scaling.type").value_or("none");
  if (scaling == "linear") {
    config->rope_scale = file.GetFloat(prefix + "rope.scaling.factor").value_or(1);
    if (!(config->rope_scale > 0 && config->rope_scale <= 1e6)) {
      return Corrupt(file.name(), "rope.scaling.factor is out of range");
    }
  } else if (scaling != "none") {
    return Unsupported(file, absl::StrCat("rope scaling \"", scaling, "\" is not supported"));
  }
  const std::uint64_t rope_dim =
      file.GetUint(prefix + "rope.dimension_count").value_or(config->head_dim);
  if (rope_dim < 2 || rope_dim > config->head_dim || rope_dim % 2 != 0) {
    return Corrupt(file.name(), "rope.dimension_count does not fit the head");
  }
  config->rope_dim = rope_dim;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const gguf::File& file) {
  ModelConfig config;
  config.architecture = std::string(file.GetString("general.architecture").value_or(""));
  if (config.architecture != "llama" && config.architecture != "qwen2") {
    return Unsupported(file,
                       absl::StrCat("architecture \"", config.architecture, "\" is not supported"));
  }
  const std::string prefix = config.architecture + ".";
  if (file.GetUint(prefix + "expert_count").value_or(0) > 0) {
    return Unsupported(file, "mixtures of experts are not supported");
  }
  RAGMESH_ASSIGN_OR_RETURN(config.layers, Size(file, prefix + "block_count", 1'024));
  RAGMESH_ASSIGN_OR_RETURN(config.embedding, Size(file, prefix + "embedding_length", 65'536));
  RAGMESH_ASSIGN_OR_RETURN(config.feed_forward,
                           Size(file, prefix + "feed_forward_length", 1 << 20));
  RAGMESH_ASSIGN_OR_RETURN(config.heads, Size(file, prefix + "attention.head_count", 1'024));
  config.kv_heads = config.heads;
  if (file.FindValue(prefix + "attention.head_count_kv") != nullptr) {
    RAGMESH_ASSIGN_OR_RETURN(config.kv_heads,
                             Size(file, prefix + "attention.head_count_kv", 1'024));
  }
  RAGMESH_ASSIGN_OR_RETURN(config.context, Size(file, prefix + "context_length", 1 << 26));
  config.head_dim = config.embedding / config.heads;
  if (file.FindValue(prefix + "attention.key_length") != nullptr) {
    RAGMESH_ASSIGN_OR_RETURN(config.head_dim, Size(file, prefix + "attention.key_length", 1'024));
  }
  if (config.heads % config.kv_heads != 0)
    return Corrupt(file.name(), "heads are not a multiple of KV heads");
  if (config.head_dim == 0 || config.head_dim % 8 != 0) {
    return Unsupported(
        file, absl::StrCat("a head of ", config.head_dim, " values is not a multiple of 8"));
  }
  config.rms_epsilon =
      static_cast<float>(file.GetFloat(prefix + "attention.layer_norm_rms_epsilon").value_or(1e-5));
  if (!(config.rms_epsilon > 0 && config.rms_epsilon < 1))
    return Corrupt(file.name(), "rms epsilon is out of range");
  config.rope_halves = config.architecture == "qwen2";
  RAGMESH_RETURN_IF_ERROR(ReadRope(file, prefix, &config));
  const gguf::Tensor* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->dimensions.size() != 2) {
    return Corrupt(file.name(), "has no matrix token_embd.weight");
  }
  if (embedding->dimensions[1] > (1u << 24))
    return Corrupt(file.name(), "its vocabulary is over 16,777,216 tokens");
  config.vocabulary = embedding->dimensions[1];
  return config;
}

}  // namespace ragmesh::generation
