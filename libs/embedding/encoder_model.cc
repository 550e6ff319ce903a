#include "libs/embedding/encoder_model.h"

#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::embedding {

using model_files::FloatTensor;
using model_files::Safetensors;

// What one forward pass writes besides its result.
struct EncoderModel::Scratch {
  Scratch(const EncoderConfig& config, const linalg::Kernels& kernels, std::size_t tokens)
      : query_key_value(tokens * 3 * config.hidden),
        scores(tokens * tokens),
        context(tokens * config.hidden),
        update(tokens * config.hidden),
        intermediate(tokens * config.intermediate),
        keys(kernels),
        values(kernels) {}

  std::vector<float> query_key_value, scores, context, update, intermediate;
  linalg::PackedMatrix keys, values;  // of one head
};

absl::StatusOr<std::shared_ptr<const EncoderModel>> EncoderModel::Load(
    const std::shared_ptr<const Safetensors>& file, const EncoderConfig& config,
    const linalg::Kernels& kernels) {
  std::shared_ptr<EncoderModel> model(new EncoderModel(config, kernels));
  RAGMESH_RETURN_IF_ERROR(model->LoadWeights(file));
  return model;
}

absl::Status EncoderModel::LoadWeights(const std::shared_ptr<const Safetensors>& file) {
  const std::string name = absl::StrCat(config_.prefix, "embeddings.");
  const std::size_t width = config_.hidden;
  RAGMESH_ASSIGN_OR_RETURN(words_, FloatTensor::Read(file, name + "word_embeddings.weight",
                                                     {config_.vocabulary, width}));
  RAGMESH_ASSIGN_OR_RETURN(positions_, FloatTensor::Read(file, name + "position_embeddings.weight",
                                                         {config_.positions, width}));
  RAGMESH_ASSIGN_OR_RETURN(types_, FloatTensor::Read(file, name + "token_type_embeddings.weight",
                                                     {config_.token_types, width}));
  RAGMESH_ASSIGN_OR_RETURN(embedding_norm_.gain,
                           FloatTensor::Read(file, name + "LayerNorm.weight", {width}));
  RAGMESH_ASSIGN_OR_RETURN(embedding_norm_.offset,
                           FloatTensor::Read(file, name + "LayerNorm.bias", {width}));
  layers_.reserve(config_.layers);
  for (std::size_t i = 0; i < config_.layers; ++i) RAGMESH_RETURN_IF_ERROR(LoadLayer(file, i));
  return absl::OkStatus();
}

absl::Status EncoderModel::LoadLayer(const std::shared_ptr<const Safetensors>& file,
                                     std::size_t index) {
  const std::string prefix = absl::StrCat(config_.prefix, "encoder.layer.", index, ".");
  const std::size_t width = config_.hidden;
  Layer layer(kernels_);
  // Several linear parts that read the same input become one product, their outputs side by side.
  const auto load = [&](std::initializer_list<const char*> parts, std::size_t outputs,
                        std::size_t inputs, Linear* linear) -> absl::Status {
    std::vector<float> weights;
    weights.reserve(parts.size() * outputs * inputs);
    for (const char* part : parts) {
      RAGMESH_ASSIGN_OR_RETURN(
          const auto weight,
          FloatTensor::Read(file, absl::StrCat(prefix, part, ".weight"), {outputs, inputs}));
      RAGMESH_ASSIGN_OR_RETURN(
          const auto bias, FloatTensor::Read(file, absl::StrCat(prefix, part, ".bias"), {outputs}));
      weights.insert(weights.end(), weight.values().begin(), weight.values().end());
      linear->bias.insert(linear->bias.end(), bias.values().begin(), bias.values().end());
    }
    linear->weights.Pack(weights.data(), parts.size() * outputs, inputs, inputs, 1);
    return absl::OkStatus();
  };
  const auto load_norm = [&](const char* part, Norm* norm) -> absl::Status {
    RAGMESH_ASSIGN_OR_RETURN(
        norm->gain, FloatTensor::Read(file, absl::StrCat(prefix, part, ".weight"), {width}));
    RAGMESH_ASSIGN_OR_RETURN(norm->offset,
                             FloatTensor::Read(file, absl::StrCat(prefix, part, ".bias"), {width}));
    return absl::OkStatus();
  };
  RAGMESH_RETURN_IF_ERROR(
      load({"attention.self.query", "attention.self.key", "attention.self.value"}, width, width,
           &layer.query_key_value));
  RAGMESH_RETURN_IF_ERROR(load({"attention.output.dense"}, width, width, &layer.attention_output));
  RAGMESH_RETURN_IF_ERROR(
      load({"intermediate.dense"}, config_.intermediate, width, &layer.intermediate));
  RAGMESH_RETURN_IF_ERROR(load({"output.dense"}, width, config_.intermediate, &layer.output));
  RAGMESH_RETURN_IF_ERROR(load_norm("attention.output.LayerNorm", &layer.attention_norm));
  RAGMESH_RETURN_IF_ERROR(load_norm("output.LayerNorm", &layer.output_norm));
  layers_.push_back(std::move(layer));
  return absl::OkStatus();
}

absl::Status EncoderModel::Forward(absl::Span<const std::uint32_t> ids,
                                   absl::Span<const std::uint8_t> types, std::vector<float>* hidden,
                                   const CallContext& call) const {
  return Forward(
      ids, types, [](std::size_t, absl::Span<const float>) {}, hidden, call);
}

absl::Status EncoderModel::Forward(absl::Span<const std::uint32_t> ids,
                                   absl::Span<const std::uint8_t> types, Observer observer,
                                   std::vector<float>* hidden, const CallContext& call) const {
  if (ids.empty() || ids.size() > config_.positions) {
    return InvalidField(
        "ids", absl::StrCat("must be 1 to ", config_.positions, " tokens, not ", ids.size()));
  }
  if (!types.empty() && types.size() != ids.size())
    return InvalidField("types", "must be as many as ids");
  for (const std::uint32_t id : ids) {
    if (id >= config_.vocabulary)
      return InvalidField("ids", absl::StrCat("has ", id, ", which the model does not know"));
  }
  for (const std::uint8_t type : types) {
    if (type >= config_.token_types)
      return InvalidField("types", absl::StrCat("has ", type, ", which the model does not know"));
  }
  RAGMESH_RETURN_IF_ERROR(call.Check());
  Scratch scratch(config_, kernels_, ids.size());
  hidden->resize(ids.size() * config_.hidden);
  Embed(ids, types, hidden->data());
  observer(0, *hidden);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    Attend(layers_[i], ids.size(), &scratch, hidden->data());
    FeedForward(layers_[i], ids.size(), &scratch, hidden->data());
    observer(i + 1, *hidden);
  }
  return absl::OkStatus();
}

void EncoderModel::Embed(absl::Span<const std::uint32_t> ids, absl::Span<const std::uint8_t> types,
                         float* hidden) const {
  const std::size_t width = config_.hidden;
  for (std::size_t t = 0; t < ids.size(); ++t) {
    const float* word = words_.data() + ids[t] * width;
    const float* position = positions_.data() + t * width;
    const float* type = types_.data() + (types.empty() ? 0 : types[t]) * width;
    float* row = hidden + t * width;
    for (std::size_t i = 0; i < width; ++i) row[i] = word[i] + type[i] + position[i];
    kernels_.layer_norm(embedding_norm_.gain.data(), embedding_norm_.offset.data(),
                        config_.layer_norm_epsilon, row, width);
  }
}

void EncoderModel::Attend(const Layer& layer, std::size_t tokens, Scratch* scratch,
                          float* hidden) const {
  const std::size_t width = config_.hidden, stride = 3 * width, head_width = width / config_.heads;
  float* rows = scratch->query_key_value.data();
  layer.query_key_value.weights.Multiply(hidden, width, tokens, layer.query_key_value.bias.data(),
                                         rows, stride);
  const float scale = 1.0f / std::sqrt(static_cast<float>(head_width));
  for (std::size_t t = 0; t < tokens; ++t)
    kernels_.scale(scale, rows + t * stride, width);  // the queries
  for (std::size_t head = 0; head < config_.heads; ++head) {
    const float* queries = rows + head * head_width;
    scratch->keys.Pack(queries + width, tokens, head_width, stride, 1);
    scratch->keys.Multiply(queries, stride, tokens, nullptr, scratch->scores.data(), tokens);
    for (std::size_t t = 0; t < tokens; ++t)
      kernels_.softmax(scratch->scores.data() + t * tokens, tokens);
    scratch->values.Pack(queries + 2 * width, head_width, tokens, 1, stride);
    scratch->values.Multiply(scratch->scores.data(), tokens, tokens, nullptr,
                             scratch->context.data() + head * head_width, width);
  }
  layer.attention_output.weights.Multiply(scratch->context.data(), width, tokens,
                                          layer.attention_output.bias.data(),
                                          scratch->update.data(), width);
  AddAndNormalise(layer.attention_norm, tokens, scratch->update.data(), hidden);
}

void EncoderModel::FeedForward(const Layer& layer, std::size_t tokens, Scratch* scratch,
                               float* hidden) const {
  const std::size_t width = config_.hidden, inner = config_.intermediate;
  layer.intermediate.weights.Multiply(hidden, width, tokens, layer.intermediate.bias.data(),
                                      scratch->intermediate.data(), inner);
  kernels_.gelu(scratch->intermediate.data(), tokens * inner);
  layer.output.weights.Multiply(scratch->intermediate.data(), inner, tokens,
                                layer.output.bias.data(), scratch->update.data(), width);
  AddAndNormalise(layer.output_norm, tokens, scratch->update.data(), hidden);
}

void EncoderModel::AddAndNormalise(const Norm& norm, std::size_t tokens, const float* update,
                                   float* hidden) const {
  const std::size_t width = config_.hidden;
  kernels_.add_scaled(1.0f, update, hidden, tokens * width);
  for (std::size_t t = 0; t < tokens; ++t) {
    kernels_.layer_norm(norm.gain.data(), norm.offset.data(), config_.layer_norm_epsilon,
                        hidden + t * width, width);
  }
}

}  // namespace ragmesh::embedding
