#include "libs/embedding/encoder_weights.h"

#include <algorithm>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/embedding/packed_weights.h"
#include "libs/embedding/quantization.h"

namespace ragmesh::embedding {
namespace {

using model_files::FloatTensor;
using model_files::Safetensors;
using File = std::shared_ptr<const Safetensors>;

absl::StatusOr<NormWeights> LoadNorm(const File& file, const std::string& name, std::size_t width) {
  NormWeights norm;
  RAGMESH_ASSIGN_OR_RETURN(norm.gain, FloatTensor::Read(file, name + ".weight", {width}));
  RAGMESH_ASSIGN_OR_RETURN(norm.offset, FloatTensor::Read(file, name + ".bias", {width}));
  return norm;
}

// Several linear parts that read the same input become one product.
absl::Status LoadLinear(const File& file, const std::string& prefix,
                        std::initializer_list<const char*> parts, std::size_t outputs,
                        std::size_t inputs, const Calibration::Inputs* seen,
                        LinearWeights* linear) {
  // Room is made once all of them are there: a small file may claim a large model.
  std::vector<FloatTensor> read;
  for (const char* part : parts) {
    RAGMESH_ASSIGN_OR_RETURN(
        auto weight,
        FloatTensor::Read(file, absl::StrCat(prefix, part, ".weight"), {outputs, inputs}));
    RAGMESH_ASSIGN_OR_RETURN(
        const auto bias, FloatTensor::Read(file, absl::StrCat(prefix, part, ".bias"), {outputs}));
    read.push_back(std::move(weight));
    linear->bias.insert(linear->bias.end(), bias.values().begin(), bias.values().end());
  }
  std::vector<float> weights;
  weights.reserve(parts.size() * outputs * inputs);
  for (const FloatTensor& part : read)
    weights.insert(weights.end(), part.values().begin(), part.values().end());
  if (seen == nullptr) {
    linear->matrix.Pack(weights.data(), parts.size() * outputs, inputs);
    return absl::OkStatus();
  }
  QuantizedProduct quantized = Quantize(weights, linear->bias, *seen);
  linear->matrix.Pack(quantized.weights);
  linear->bias = std::move(quantized.bias);
  linear->input_factors = std::move(quantized.divisors);
  for (float& factor : linear->input_factors) factor = 1 / factor;
  return absl::OkStatus();
}

absl::Status LoadLayer(const File& file, const EncoderConfig& config, std::size_t index,
                       const Calibration* calibration, const PackedWeights* packed,
                       LayerWeights* layer) {
  const std::string prefix = absl::StrCat(config.prefix, "encoder.layer.", index, ".");
  const std::size_t width = config.hidden, inner = config.intermediate;
  const auto load = [&](LayerProduct product, std::initializer_list<const char*> parts,
                        std::size_t outputs, std::size_t inputs, LinearWeights* linear) {
    if (packed != nullptr)
      return packed->Read(index, product, parts.size() * outputs, inputs, linear);
    return LoadLinear(file, prefix, parts, outputs, inputs,
                      calibration == nullptr ? nullptr : &calibration->inputs(index, product),
                      linear);
  };
  RAGMESH_RETURN_IF_ERROR(
      load(LayerProduct::kQueryKeyValue,
           {"attention.self.query", "attention.self.key", "attention.self.value"}, width, width,
           &layer->query_key_value));
  RAGMESH_RETURN_IF_ERROR(load(LayerProduct::kAttentionOutput, {"attention.output.dense"}, width,
                               width, &layer->attention_output));
  RAGMESH_RETURN_IF_ERROR(load(LayerProduct::kIntermediate, {"intermediate.dense"}, inner, width,
                               &layer->intermediate));
  RAGMESH_RETURN_IF_ERROR(
      load(LayerProduct::kOutput, {"output.dense"}, width, inner, &layer->output));
  RAGMESH_ASSIGN_OR_RETURN(layer->attention_norm,
                           LoadNorm(file, prefix + "attention.output.LayerNorm", width));
  RAGMESH_ASSIGN_OR_RETURN(layer->output_norm, LoadNorm(file, prefix + "output.LayerNorm", width));
  return absl::OkStatus();
}

// Refuses a tensor that would be left out of the arithmetic: the file is then of another
// architecture, and its vectors would be nonsense.
absl::Status CheckNothingElse(const Safetensors& file, const EncoderConfig& config) {
  // What published files carry besides: heads, of which those who use one read it themselves, and a
  // table of numbers counting up.
  constexpr absl::string_view kAside[] = {"pooler.", "classifier.", "cls.", "lm_head.",
                                          "position_ids"};
  constexpr absl::string_view kParts[] = {"attention.self.query",
                                          "attention.self.key",
                                          "attention.self.value",
                                          "attention.output.dense",
                                          "attention.output.LayerNorm",
                                          "intermediate.dense",
                                          "output.dense",
                                          "output.LayerNorm"};
  absl::flat_hash_set<std::string> known;
  for (const char* table : {"word", "position", "token_type"})
    known.insert(absl::StrCat(config.prefix, "embeddings.", table, "_embeddings.weight"));
  const auto add = [&](const std::string& part) {
    known.insert(absl::StrCat(config.prefix, part, ".weight"));
    known.insert(absl::StrCat(config.prefix, part, ".bias"));
  };
  add("embeddings.LayerNorm");
  for (std::size_t i = 0; i < config.layers; ++i) {
    for (const absl::string_view part : kParts) add(absl::StrCat("encoder.layer.", i, ".", part));
  }
  for (const auto& entry : file.tensors()) {
    const std::string& name = entry.first;
    const bool aside =
        std::any_of(std::begin(kAside), std::end(kAside),
                    [&](absl::string_view part) { return absl::StrContains(name, part); });
    if (known.contains(name) || aside) continue;
    return Corrupt(absl::StrCat(file.name(), ": tensor ", name),
                   "is not part of a BERT-family encoder",
                   "Use the weights of a BERT-family encoder.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<EncoderWeights> EncoderWeights::Load(const File& file, const EncoderConfig& config,
                                                    const linalg::Kernels& kernels,
                                                    linalg::Precision precision,
                                                    const Calibration* calibration,
                                                    std::shared_ptr<const PackedWeights> packed) {
  EncoderWeights weights;
  const std::string name = absl::StrCat(config.prefix, "embeddings.");
  const std::size_t width = config.hidden;
  RAGMESH_ASSIGN_OR_RETURN(weights.words, FloatTensor::Read(file, name + "word_embeddings.weight",
                                                            {config.vocabulary, width}));
  RAGMESH_ASSIGN_OR_RETURN(weights.positions,
                           FloatTensor::Read(file, name + "position_embeddings.weight",
                                             {config.first_position + config.positions, width}));
  RAGMESH_ASSIGN_OR_RETURN(
      weights.types,
      FloatTensor::Read(file, name + "token_type_embeddings.weight", {config.token_types, width}));
  RAGMESH_ASSIGN_OR_RETURN(weights.embedding_norm, LoadNorm(file, name + "LayerNorm", width));
  RAGMESH_RETURN_IF_ERROR(CheckNothingElse(*file, config));
  weights.layers.reserve(config.layers);
  for (std::size_t i = 0; i < config.layers; ++i) {
    weights.layers.emplace_back(kernels, precision);
    RAGMESH_RETURN_IF_ERROR(
        LoadLayer(file, config, i, calibration, packed.get(), &weights.layers.back()));
  }
  weights.packed = std::move(packed);
  return weights;
}

}  // namespace ragmesh::embedding
