#include "libs/embedding/packed_weights.h"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/model_files/derived_file.h"

namespace ragmesh::embedding {
namespace {

using linalg::Precision;
using model_files::Dtype;
using model_files::kDerivedNextStep;
using model_files::NamedTensor;
using Metadata = std::map<std::string, std::string>;

// Rises when tensors or metadata come to mean something else, the order in a panel included.
constexpr char kFormat[] = "ragmesh packed weights 1";
constexpr char kMean[] = "agreement_mean", kLeast[] = "agreement_least";
constexpr std::size_t kLine = 64;
constexpr char kZeros[kLine] = {};

constexpr std::pair<LayerProduct, const char*> kProducts[] = {
    {LayerProduct::kQueryKeyValue, "query_key_value"},
    {LayerProduct::kAttentionOutput, "attention_output"},
    {LayerProduct::kIntermediate, "intermediate"},
    {LayerProduct::kOutput, "output"}};

std::string Prefix(std::size_t layer, LayerProduct product) {
  return absl::StrCat("layer.", layer, ".", kProducts[static_cast<std::size_t>(product)].second,
                      ".");
}

Metadata MetadataOf(const PackedKey& key) {
  const linalg::PanelKernel& kernel = linalg::KernelFor(key.kernels, key.precision);
  return {{"format", kFormat},
          {"source", key.source},
          {"recipe", key.recipe},
          {"kernels", key.kernels.name},
          {"precision", std::string(linalg::ToString(key.precision))},
          {"group", absl::StrCat(kernel.group)},
          {"width", absl::StrCat(kernel.width)},
          {"weight_offset", absl::StrCat(kernel.weight_offset)}};
}

absl::string_view Bytes(absl::Span<const float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

// Panels first: they are read in whole cache lines, from a multiple of 64 bytes.
std::vector<NamedTensor> TensorsOf(const EncoderWeights& weights) {
  std::vector<NamedTensor> tensors;
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    for (const auto& [product, name] : kProducts) {
      const auto panels = weights.layers[i].product(product).matrix.parts().panels;
      tensors.push_back({Prefix(i, product) + "panels",
                         Dtype::kU8,
                         {panels.size()},
                         {reinterpret_cast<const char*>(panels.data()), panels.size()}});
      if (const std::size_t gap = (kLine - panels.size() % kLine) % kLine; gap > 0)
        tensors.push_back({Prefix(i, product) + "padding", Dtype::kU8, {gap}, {kZeros, gap}});
    }
  }
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    for (const auto& [product, name] : kProducts) {
      const LinearWeights& linear = weights.layers[i].product(product);
      const auto add = [&, prefix = Prefix(i, product)](const char* part,
                                                        absl::Span<const float> values) {
        if (!values.empty())
          tensors.push_back({prefix + part, Dtype::kF32, {values.size()}, Bytes(values)});
      };
      add("bias", linear.bias);
      add("input_factors", linear.input_factors);
      add("scales", linear.matrix.parts().scales);
      add("sums", linear.matrix.parts().sums);
    }
  }
  return tensors;
}

}  // namespace

std::string PackedKey::PathIn(absl::string_view folder) const {
  return absl::StrCat(folder, "/", source, ".", linalg::ToString(precision), ".", kernels.name,
                      ".safetensors");
}

absl::Status PackedWeights::Write(const std::string& path, const PackedKey& key,
                                  const EncoderWeights& weights, const Agreement& agreement) {
  Metadata metadata = MetadataOf(key);
  metadata[kMean] = absl::StrFormat("%.9f", agreement.mean);
  metadata[kLeast] = absl::StrFormat("%.9f", agreement.least);
  return model_files::WriteDerived(path, TensorsOf(weights), metadata);
}

absl::StatusOr<std::shared_ptr<const PackedWeights>> PackedWeights::Open(const std::string& path,
                                                                         const PackedKey& key) {
  RAGMESH_ASSIGN_OR_RETURN(auto file, model_files::OpenDerived(path, MetadataOf(key)));
  Metadata found = file->metadata();
  Agreement agreement;
  if (!absl::SimpleAtod(found[kMean], &agreement.mean) ||
      !absl::SimpleAtod(found[kLeast], &agreement.least)) {
    return Corrupt(path, "does not say what its weights cost", kDerivedNextStep);
  }
  return std::shared_ptr<const PackedWeights>(new PackedWeights(std::move(file), agreement));
}

absl::StatusOr<absl::Span<const float>> PackedWeights::Floats(const std::string& name,
                                                              std::size_t size) const {
  const model_files::Tensor* tensor = file_->Find(name);
  if (tensor == nullptr || tensor->dtype != Dtype::kF32 || tensor->elements != size ||
      reinterpret_cast<std::uintptr_t>(tensor->bytes.data()) % alignof(float) != 0) {
    return Corrupt(absl::StrCat(file_->name(), ": tensor ", name),
                   absl::StrCat("is not ", size, " floats in place"), kDerivedNextStep);
  }
  return absl::MakeConstSpan(reinterpret_cast<const float*>(tensor->bytes.data()), size);
}

absl::Status PackedWeights::Read(std::size_t layer, LayerProduct product, std::size_t outputs,
                                 std::size_t inputs, LinearWeights* linear) const {
  const std::string prefix = Prefix(layer, product);
  linalg::PackedMatrix::Parts parts;
  if (const model_files::Tensor* panels = file_->Find(prefix + "panels"); panels != nullptr)
    parts.panels = {reinterpret_cast<const std::byte*>(panels->bytes.data()), panels->bytes.size()};
  RAGMESH_ASSIGN_OR_RETURN(const auto bias, Floats(prefix + "bias", outputs));
  linear->bias.assign(bias.begin(), bias.end());
  if (file_->metadata().at("precision") == linalg::ToString(Precision::kInt8)) {
    RAGMESH_ASSIGN_OR_RETURN(parts.scales, Floats(prefix + "scales", outputs));
    RAGMESH_ASSIGN_OR_RETURN(parts.sums, Floats(prefix + "sums", outputs));
    RAGMESH_ASSIGN_OR_RETURN(const auto factors, Floats(prefix + "input_factors", inputs));
    linear->input_factors.assign(factors.begin(), factors.end());
  }
  if (linear->matrix.View(outputs, inputs, parts)) return absl::OkStatus();
  return Corrupt(absl::StrCat(file_->name(), ": tensor ", prefix, "panels"),
                 absl::StrCat("is not of ", outputs, " x ", inputs, " weights"), kDerivedNextStep);
}

}  // namespace ragmesh::embedding
