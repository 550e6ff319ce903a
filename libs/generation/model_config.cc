#include "libs/generation/model_config.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::generation {
namespace {

// What files of an architecture do not say, because every model of it has it. Names, keys and
// defaults are those of the converters and of llama.cpp.
struct Architecture {
  const char* name;
  bool rope_halves = true;
  Activation activation = Activation::kSilu;
  bool query_key_norm = false;
  bool post_norms = false;
  bool fused = false;
  bool scales_embedding = false;  // by the root of its width
  std::size_t window_period = 0;  // the last of each so many layers has no window; 0: all have one
  double local_rope_base = 0;     // of layers with a window, which are then not stretched; 0: same
  float attention_soft_cap = 0;
  float logit_soft_cap = 0;
  // The one size, told by its layers, whose scores are scaled by the width per head instead of the
  // size of a head.
  std::size_t width_scaled_layers = 0;
};

constexpr Architecture kArchitectures[] = {
    {.name = "llama", .rope_halves = false},
    {.name = "qwen2"},
    {.name = "qwen3", .query_key_norm = true},
    {.name = "gemma2",
     .activation = Activation::kGelu,
     .post_norms = true,
     .scales_embedding = true,
     .window_period = 2,
     .attention_soft_cap = 50,
     .logit_soft_cap = 30,
     .width_scaled_layers = 46},
    {.name = "gemma3",
     .activation = Activation::kGelu,
     .query_key_norm = true,
     .post_norms = true,
     .scales_embedding = true,
     .window_period = 6,
     .local_rope_base = 10'000,
     .width_scaled_layers = 62},
    {.name = "phi3", .fused = true},
};

// Keys that change what a decoder computes and that no supported model has. 0 counts as absent.
constexpr const char* kRefusedKeys[] = {"expert_count",
                                        "logit_scale",
                                        "residual_scale",
                                        "embedding_scale",
                                        "attention.clamp_kqv",
                                        "attention.max_alibi_bias",
                                        "rope.scaling.alpha",
                                        "attention.output_scale",
                                        "attention.temperature_scale",
                                        "attention.shared_kv_layers"};

// A layer may be this many times as wide inside as outside; real ones reach 10. So the work space
// of a pass stays in proportion to the file.
constexpr std::size_t kMaxWidening = 64;

constexpr std::size_t kMaxContext = std::size_t{1} << 26;

absl::Status Unsupported(const gguf::File& file, absl::string_view what) {
  return MakeError(
      absl::StatusCode::kUnimplemented, absl::StrCat(file.name(), ": ", what),
      {.reason = "UNSUPPORTED_MODEL",
       .next_step = "Use a llama, qwen2, qwen3, gemma2, gemma3 or phi3 model, or name another "
                    "generator backend."});
}

// A stranger's text, made fit for a message.
std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text.substr(0, 64)), "\"");
}

// Reads the keys of one architecture. Bounds are far above any real model and keep products small.
class KeyReader {
 public:
  KeyReader(const gguf::File& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  bool Has(absl::string_view key) const { return file_.FindValue(Name(key)) != nullptr; }

  absl::StatusOr<std::size_t> Size(absl::string_view key, std::uint64_t least,
                                   std::uint64_t most) const {
    if (!Has(key)) return Corrupt(file_.name(), absl::StrCat("has no ", Name(key)));
    const std::optional<std::uint64_t> value = file_.GetUint(Name(key));
    if (!value.has_value() || *value < least || *value > most) {
      return Corrupt(file_.name(), absl::StrCat(Name(key), " is not a whole number between ", least,
                                                " and ", most));
    }
    return static_cast<std::size_t>(*value);
  }

  absl::StatusOr<std::size_t> SizeOr(absl::string_view key, std::size_t fallback,
                                     std::uint64_t least, std::uint64_t most) const {
    if (!Has(key)) return fallback;
    return Size(key, least, most);
  }

  // In [least, most], or nothing that is a number.
  absl::StatusOr<double> NumberOr(absl::string_view key, double fallback, double least,
                                  double most) const {
    if (!Has(key)) return fallback;
    std::optional<double> value = file_.GetFloat(Name(key));
    if (!value.has_value()) {
      if (const auto whole = file_.GetUint(Name(key))) value = static_cast<double>(*whole);
    }
    if (!value.has_value() || !(*value >= least && *value <= most)) {
      return Corrupt(file_.name(),
                     absl::StrCat(Name(key), " is not a number between ", least, " and ", most));
    }
    return *value;
  }

  std::string Name(absl::string_view key) const { return absl::StrCat(prefix_, key); }

 private:
  const gguf::File& file_;
  const std::string prefix_;
};

absl::Status RefuseUnknownMeaning(const gguf::File& file, const KeyReader& keys) {
  for (const char* key : kRefusedKeys) {
    if (!keys.Has(key)) continue;
    const auto zero = keys.NumberOr(key, 0, 0, 0);
    if (!zero.ok()) return Unsupported(file, absl::StrCat(keys.Name(key), " is not supported"));
  }
  if (!file.GetBool(keys.Name("attention.causal")).value_or(true)) {
    return Unsupported(file, absl::StrCat(keys.Name("attention.causal"),
                                          " is false, as in models that do not write"));
  }
  return absl::OkStatus();
}

absl::Status ReadHeads(const gguf::File& file, const KeyReader& keys, ModelConfig* config) {
  RAGMESH_ASSIGN_OR_RETURN(config->heads, keys.Size("attention.head_count", 1, 1'024));
  RAGMESH_ASSIGN_OR_RETURN(config->kv_heads,
                           keys.SizeOr("attention.head_count_kv", config->heads, 1, 1'024));
  if (config->heads % config->kv_heads != 0) {
    return Corrupt(file.name(), absl::StrCat(keys.Name("attention.head_count"), " ", config->heads,
                                             " is not a multiple of head_count_kv"));
  }
  RAGMESH_ASSIGN_OR_RETURN(
      config->head_dim,
      keys.SizeOr("attention.key_length", config->embedding / config->heads, 1, 1'024));
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t value_length,
                           keys.SizeOr("attention.value_length", config->head_dim, 1, 1'024));
  if (config->head_dim == 0 || config->head_dim % 8 != 0 || value_length != config->head_dim) {
    return Unsupported(file, absl::StrCat("heads of ", config->head_dim, " and ", value_length,
                                          " values, where one multiple of 8 for both is needed"));
  }
  return absl::OkStatus();
}

absl::Status ReadShape(const gguf::File& file, const KeyReader& keys, ModelConfig* config) {
  RAGMESH_ASSIGN_OR_RETURN(config->layers, keys.Size("block_count", 1, 1'024));
  RAGMESH_ASSIGN_OR_RETURN(config->embedding, keys.Size("embedding_length", 1, 65'536));
  RAGMESH_ASSIGN_OR_RETURN(config->feed_forward, keys.Size("feed_forward_length", 1, 1 << 20));
  RAGMESH_RETURN_IF_ERROR(ReadHeads(file, keys, config));
  for (const auto& [key, inside] :
       {std::pair{"feed_forward_length", config->feed_forward},
        std::pair{"attention.head_count", config->heads * config->head_dim}}) {
    if (inside > kMaxWidening * config->embedding) {
      return Corrupt(file.name(), absl::StrCat(keys.Name(key), " makes layers over ", kMaxWidening,
                                               " times as wide as embedding_length"));
    }
  }
  const gguf::Tensor* embedding = file.FindTensor("token_embd.weight");
  if (embedding == nullptr || embedding->dimensions.size() != 2) {
    return Corrupt(file.name(), "has no matrix token_embd.weight");
  }
  if (embedding->dimensions[1] > (1u << 24))
    return Corrupt(file.name(), "its vocabulary is over 16,777,216 tokens");
  config->vocabulary = embedding->dimensions[1];
  return absl::OkStatus();
}

absl::Status ReadScalars(const Architecture& kind, const KeyReader& keys, ModelConfig* config) {
  RAGMESH_ASSIGN_OR_RETURN(const double epsilon, keys.NumberOr("attention.layer_norm_rms_epsilon",
                                                               config->rms_epsilon, 1e-30, 1));
  config->rms_epsilon = static_cast<float>(epsilon);
  const auto width = static_cast<double>(config->embedding);
  if (kind.scales_embedding) config->embedding_scale = static_cast<float>(std::sqrt(width));
  const double head = config->layers == kind.width_scaled_layers
                          ? width / static_cast<double>(config->heads)
                          : static_cast<double>(config->head_dim);
  RAGMESH_ASSIGN_OR_RETURN(const double scale,
                           keys.NumberOr("attention.scale", 1 / std::sqrt(head), 0, 1e6));
  // Writers put 0 for what a model does not state.
  config->attention_scale = static_cast<float>(scale > 0 ? scale : 1 / std::sqrt(head));
  RAGMESH_ASSIGN_OR_RETURN(
      const double attention_cap,
      keys.NumberOr("attn_logit_softcapping", kind.attention_soft_cap, 0, 1e6));
  config->attention_soft_cap = static_cast<float>(attention_cap);
  RAGMESH_ASSIGN_OR_RETURN(const double logit_cap,
                           keys.NumberOr("final_logit_softcapping", kind.logit_soft_cap, 0, 1e6));
  config->logit_soft_cap = static_cast<float>(logit_cap);
  return absl::OkStatus();
}

// Files without a type that state a factor mean the linear kind; the oldest call it scale_linear.
absl::Status ReadScaling(const gguf::File& file, const KeyReader& keys, RopeConfig* rope) {
  RAGMESH_ASSIGN_OR_RETURN(rope->factor, keys.NumberOr("rope.scale_linear", 1, 0, 1e6));
  RAGMESH_ASSIGN_OR_RETURN(rope->factor,
                           keys.NumberOr("rope.scaling.factor", rope->factor, 0, 1e6));
  if (rope->factor == 0) rope->factor = 1;  // as written for what a model does not state
  if (rope->factor < 1e-3)
    return Corrupt(file.name(), absl::StrCat(keys.Name("rope.scaling.factor"), " is below 0.001"));
  const std::string type_key = keys.Name("rope.scaling.type");
  const auto type = file.GetString(type_key);
  if (keys.Has("rope.scaling.type") && !type.has_value())
    return Corrupt(file.name(), absl::StrCat(type_key, " is not a text"));
  const absl::string_view name = type.value_or(rope->factor == 1 ? "none" : "linear");
  if (name == "none" || name == "longrope") {
    rope->factor = 1;
  } else if (name == "linear") {
    rope->scaling = RopeScaling::kLinear;
  } else if (name == "yarn") {
    rope->scaling = RopeScaling::kYarn;
  } else {
    return Unsupported(file, absl::StrCat(type_key, " ", Quoted(name), " is not supported"));
  }
  return absl::OkStatus();
}

absl::Status ReadYarn(const gguf::File& file, const KeyReader& keys, RopeConfig* rope) {
  RAGMESH_ASSIGN_OR_RETURN(rope->beta_fast,
                           keys.NumberOr("rope.scaling.yarn_beta_fast", 32, 1e-3, 1e6));
  RAGMESH_ASSIGN_OR_RETURN(rope->beta_slow,
                           keys.NumberOr("rope.scaling.yarn_beta_slow", 1, 1e-3, 1e6));
  if (rope->beta_slow > rope->beta_fast) {
    return Corrupt(file.name(), absl::StrCat(keys.Name("rope.scaling.yarn_beta_slow"),
                                             " is above yarn_beta_fast"));
  }
  RAGMESH_ASSIGN_OR_RETURN(rope->extrapolation,
                           keys.NumberOr("rope.scaling.yarn_ext_factor", 1, 0, 1));
  RAGMESH_ASSIGN_OR_RETURN(
      rope->magnitude, keys.NumberOr("rope.scaling.yarn_attn_factor", rope->magnitude, 1e-3, 1e3));
  return absl::OkStatus();
}

absl::Status ReadRope(const gguf::File& file, const Architecture& kind, const KeyReader& keys,
                      ModelConfig* config) {
  RopeConfig& rope = config->rope;
  RAGMESH_ASSIGN_OR_RETURN(config->rope_dim,
                           keys.SizeOr("rope.dimension_count", config->head_dim, 2, 1'024));
  if (config->rope_dim > config->head_dim || config->rope_dim % 2 != 0) {
    return Corrupt(file.name(),
                   absl::StrCat(keys.Name("rope.dimension_count"), " ", config->rope_dim,
                                " does not fit heads of ", config->head_dim));
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t local_dim,
                           keys.SizeOr("rope.dimension_count_swa", config->rope_dim, 0, 1'024));
  if (local_dim != config->rope_dim) {
    return Unsupported(file, absl::StrCat(keys.Name("rope.dimension_count_swa"),
                                          " other than dimension_count is not supported"));
  }
  RAGMESH_ASSIGN_OR_RETURN(rope.base, keys.NumberOr("rope.freq_base", 10'000, 1.001, 1e12));
  RAGMESH_ASSIGN_OR_RETURN(rope.magnitude, keys.NumberOr("rope.scaling.attn_factor", 1, 1e-3, 1e3));
  RAGMESH_ASSIGN_OR_RETURN(rope.original_context,
                           keys.SizeOr("rope.scaling.original_context_length", 0, 0, kMaxContext));
  RAGMESH_RETURN_IF_ERROR(ReadScaling(file, keys, &rope));
  if (rope.scaling == RopeScaling::kYarn) {
    RAGMESH_RETURN_IF_ERROR(ReadYarn(file, keys, &rope));
    // The text it was trained for is then the original one.
    if (rope.original_context == 0) rope.original_context = config->context;
  }
  config->local_rope = rope;
  if (kind.local_rope_base > 0) config->local_rope = {.base = kind.local_rope_base};
  RAGMESH_ASSIGN_OR_RETURN(
      config->local_rope.base,
      keys.NumberOr("rope.freq_base_swa", config->local_rope.base, 1.001, 1e12));
  return absl::OkStatus();
}

absl::Status ReadWindows(const gguf::File& file, const Architecture& kind, const KeyReader& keys,
                         ModelConfig* config) {
  config->windows.assign(config->layers, 0);
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t window,
                           keys.SizeOr("attention.sliding_window", 0, 0, kMaxContext));
  const std::string key = keys.Name("attention.sliding_window_pattern");
  if (const auto flags = file.GetInts(key)) {  // true: this layer has the window
    if (flags->size() != config->layers) {
      return Corrupt(file.name(), absl::StrCat(key, " has ", flags->size(), " entries for ",
                                               config->layers, " layers"));
    }
    for (std::size_t i = 0; i < config->layers; ++i)
      config->windows[i] = (*flags)[i] != 0 ? window : 0;
    return absl::OkStatus();
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::size_t period, keys.SizeOr("attention.sliding_window_pattern",
                                                                 kind.window_period, 0, 1'024));
  for (std::size_t i = 0; i < config->layers; ++i) {
    if (period == 0 || (i + 1) % period != 0) config->windows[i] = window;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ModelConfig> ReadModelConfig(const gguf::File& file, std::size_t context) {
  ModelConfig config;
  config.architecture = std::string(file.GetString("general.architecture").value_or(""));
  const auto* kind =
      std::find_if(std::begin(kArchitectures), std::end(kArchitectures),
                   [&](const Architecture& one) { return config.architecture == one.name; });
  if (kind == std::end(kArchitectures)) {
    return Unsupported(file, absl::StrCat("general.architecture ", Quoted(config.architecture),
                                          " is not supported"));
  }
  config.rope_halves = kind->rope_halves;
  config.activation = kind->activation;
  config.query_key_norm = kind->query_key_norm;
  config.post_norms = kind->post_norms;
  config.fused = kind->fused;
  const KeyReader keys(file, config.architecture + ".");
  RAGMESH_RETURN_IF_ERROR(RefuseUnknownMeaning(file, keys));
  RAGMESH_RETURN_IF_ERROR(ReadShape(file, keys, &config));
  RAGMESH_RETURN_IF_ERROR(ReadScalars(*kind, keys, &config));
  RAGMESH_ASSIGN_OR_RETURN(config.context, keys.Size("context_length", 1, kMaxContext));
  RAGMESH_RETURN_IF_ERROR(ReadRope(file, *kind, keys, &config));
  RAGMESH_RETURN_IF_ERROR(ReadWindows(file, *kind, keys, &config));
  if (context > 0) config.context = std::min(config.context, context);
  return config;
}

}  // namespace ragmesh::generation
