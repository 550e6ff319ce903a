#include "libs/embedding/encoder_config.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::embedding {
namespace {

using model_files::Safetensors;
using model_files::Tensor;

constexpr std::size_t kMaxLayers = 128;
constexpr std::size_t kMaxWidth = 16384;

absl::Status Bad(absl::string_view field, absl::string_view problem) {
  return InvalidField(field, problem,
                      "Use a BERT-family encoder and the config.json that belongs to it.");
}

absl::StatusOr<const Tensor*> Matrix(const Safetensors& file, const std::string& name) {
  const Tensor* tensor = file.Find(name);
  if (tensor == nullptr) {
    return Corrupt(absl::StrCat(file.name(), ": tensor ", name), "is missing",
                   "Use the weights of a BERT-family encoder.");
  }
  if (tensor->shape.size() != 2 || tensor->elements == 0) {
    return Corrupt(absl::StrCat(file.name(), ": tensor ", name),
                   absl::StrCat("has shape ", model_files::ShapeToString(tensor->shape),
                                ", not two dimensions"));
  }
  return tensor;
}

// The word table is there in every encoder; in front of its name is the prefix of all others.
std::string PrefixOf(const Safetensors& file) {
  for (const char* prefix : {"bert.", "roberta."}) {
    if (file.Find(absl::StrCat(prefix, "embeddings.word_embeddings.weight")) != nullptr)
      return prefix;
  }
  return "";
}

absl::Status ReadShapes(const Safetensors& file, EncoderConfig* config) {
  const std::string embeddings = absl::StrCat(config->prefix, "embeddings.");
  RAGMESH_ASSIGN_OR_RETURN(const Tensor* words,
                           Matrix(file, embeddings + "word_embeddings.weight"));
  RAGMESH_ASSIGN_OR_RETURN(const Tensor* positions,
                           Matrix(file, embeddings + "position_embeddings.weight"));
  RAGMESH_ASSIGN_OR_RETURN(const Tensor* types,
                           Matrix(file, embeddings + "token_type_embeddings.weight"));
  config->vocabulary = words->shape[0];
  config->hidden = words->shape[1];
  if (positions->shape[0] <= config->first_position) {
    return Corrupt(absl::StrCat(file.name(), ": tensor ", embeddings, "position_embeddings.weight"),
                   absl::StrCat("has ", positions->shape[0], " rows, of which the first ",
                                config->first_position, " are for no token"));
  }
  config->positions = positions->shape[0] - config->first_position;
  config->token_types = types->shape[0];
  const auto layer = [config](std::size_t i, absl::string_view part) {
    return absl::StrCat(config->prefix, "encoder.layer.", i, ".", part);
  };
  while (config->layers <= kMaxLayers &&
         file.Find(layer(config->layers, "intermediate.dense.weight")) != nullptr) {
    ++config->layers;
  }
  RAGMESH_ASSIGN_OR_RETURN(const Tensor* intermediate,
                           Matrix(file, layer(0, "intermediate.dense.weight")));
  config->intermediate = intermediate->shape[0];
  if (config->layers > kMaxLayers || config->hidden > kMaxWidth ||
      config->intermediate > 8 * kMaxWidth) {
    return Corrupt(file.name(),
                   absl::StrCat("is larger than ", kMaxLayers, " layers of width ", kMaxWidth));
  }
  if (config->hidden % 4 != 0) {
    return Corrupt(file.name(), absl::StrCat("has token vectors of width ", config->hidden,
                                             ", which is no multiple of 4"));
  }
  return absl::OkStatus();
}

// A whole number from 1 when the member is there.
absl::Status ReadCount(const nlohmann::json& json, const char* name, std::size_t* count) {
  const auto it = json.find(name);
  if (it == json.end()) return absl::OkStatus();
  if (!it->is_number_unsigned() || it->get<std::uint64_t>() == 0 ||
      it->get<std::uint64_t>() > 1u << 30) {
    return Bad(absl::StrCat("config.json ", name), "must be a whole number from 1");
  }
  *count = it->get<std::size_t>();
  return absl::OkStatus();
}

absl::Status CheckText(const nlohmann::json& json, const char* name, absl::string_view expected) {
  const auto it = json.find(name);
  if (it == json.end() || (it->is_string() && it->get_ref<const std::string&>() == expected))
    return absl::OkStatus();
  return Bad(absl::StrCat("config.json ", name),
             absl::StrCat("must be \"", expected, "\", what this encoder computes"));
}

absl::Status ReadLayout(const nlohmann::json& json, EncoderFacts* facts,
                        std::size_t* padding_token) {
  const auto type = json.find("model_type");
  if (type == json.end()) return absl::OkStatus();
  const std::string name = type->is_string() ? type->get<std::string>() : "";
  if (name != "bert" && name != "roberta" && name != "xlm-roberta") {
    return Bad("config.json model_type",
               R"(must be "bert", "roberta" or "xlm-roberta", what this encoder computes)");
  }
  facts->layout = name == "bert" ? Layout::kBert : Layout::kRoberta;
  if (facts->layout == Layout::kBert) return absl::OkStatus();
  return ReadCount(json, "pad_token_id", padding_token);
}

absl::Status ReadConfigJson(absl::string_view bytes, EncoderFacts* facts,
                            std::size_t* padding_token) {
  RAGMESH_ASSIGN_OR_RETURN(const auto json,
                           text::ParseBoundedJson(bytes, "config.json", {.max_bytes = 1 << 20}));
  if (!json.is_object()) return Bad("config.json", "must be an object");
  RAGMESH_RETURN_IF_ERROR(ReadLayout(json, facts, padding_token));
  RAGMESH_RETURN_IF_ERROR(CheckText(json, "hidden_act", "gelu"));
  RAGMESH_RETURN_IF_ERROR(CheckText(json, "position_embedding_type", "absolute"));
  RAGMESH_RETURN_IF_ERROR(ReadCount(json, "num_attention_heads", &facts->heads));
  const auto epsilon = json.find("layer_norm_eps");
  if (epsilon == json.end()) return absl::OkStatus();
  if (!epsilon->is_number() || !(epsilon->get<double>() >= 0) || epsilon->get<double>() > 0.1) {
    return Bad("config.json layer_norm_eps", "must be 0 to 0.1");
  }
  facts->layer_norm_epsilon = epsilon->get<float>();
  return absl::OkStatus();
}

}  // namespace

absl::string_view ToString(Layout layout) {
  return layout == Layout::kRoberta ? "xlm-roberta" : "bert";
}

Layout LayoutOf(absl::string_view architecture) {
  return architecture == ToString(Layout::kRoberta) ? Layout::kRoberta : Layout::kBert;
}

absl::StatusOr<EncoderConfig> ReadEncoderConfig(const Safetensors& file, const EncoderFacts& given,
                                                absl::string_view config_json) {
  EncoderConfig config;
  config.prefix = PrefixOf(file);
  EncoderFacts facts = given;
  if (config.prefix == "roberta.") facts.layout = Layout::kRoberta;
  std::size_t padding_token = 1;
  if (!config_json.empty())
    RAGMESH_RETURN_IF_ERROR(ReadConfigJson(config_json, &facts, &padding_token));
  config.layout = facts.layout;
  config.first_position = facts.layout == Layout::kRoberta ? padding_token + 1 : 0;
  RAGMESH_RETURN_IF_ERROR(ReadShapes(file, &config));
  config.heads = facts.heads != 0       ? facts.heads
                 : config.hidden == 384 ? 12
                                        : std::max<std::size_t>(1, config.hidden / 64);
  if (config.hidden % config.heads != 0) {
    return Bad("heads", absl::StrCat("are ", config.heads, ", which does not divide the width ",
                                     config.hidden));
  }
  config.layer_norm_epsilon =
      facts.layer_norm_epsilon.value_or(facts.layout == Layout::kRoberta ? 1e-5f : 1e-12f);
  config.pooling = facts.pooling;
  config.max_tokens =
      facts.max_tokens != 0 ? facts.max_tokens : std::min<std::size_t>(512, config.positions);
  if (config.max_tokens < 2 || config.max_tokens > config.positions) {
    return Bad("max_tokens", absl::StrCat("is ", config.max_tokens, "; the model has ",
                                          config.positions, " positions"));
  }
  return config;
}

}  // namespace ragmesh::embedding
