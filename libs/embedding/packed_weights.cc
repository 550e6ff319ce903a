#include "libs/embedding/packed_weights.h"

#include <zlib.h>

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
#include "libs/model_files/safetensors_writer.h"
#include "libs/model_store/file_io.h"

namespace ragmesh::embedding {
namespace {

using linalg::Precision;
using model_files::Dtype;
using model_files::NamedTensor;
using Metadata = std::map<std::string, std::string>;

// Rises when tensors or metadata come to mean something else, the order in a panel included.
constexpr char kFormat[] = "ragmesh packed weights 1";
constexpr char kMean[] = "agreement_mean", kLeast[] = "agreement_least";
constexpr char kChecksum[] = "checksum";
constexpr std::size_t kLine = 64;
constexpr char kZeros[kLine] = {};
constexpr char kNextStep[] = "Remove the file; it is made again from the model.";

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

// CRC-32, as zlib has it. It finds every flipped bit and every error shorter than 33 bits, which is
// what disks and interrupted writers do, and takes 3 ms for 22 MB where SHA-256 takes 11, or 30 on
// processors without instructions for it. It does not stop somebody who means to change weights:
// the folder is trusted as the program is.
std::uint32_t Crc(absl::string_view bytes, std::uint32_t before = 0) {
  return static_cast<std::uint32_t>(
      crc32_z(before, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

// The checksum is the last tensor, so that it covers all before it, metadata included.
absl::Status CheckSum(const model_files::Safetensors& file) {
  const model_files::Tensor* tensor = file.Find(kChecksum);
  const absl::string_view bytes = file.bytes();
  std::uint32_t stored = 0;
  if (tensor != nullptr && tensor->bytes.size() == sizeof(stored) &&
      tensor->bytes.data() + sizeof(stored) == bytes.data() + bytes.size()) {
    std::memcpy(&stored, tensor->bytes.data(), sizeof(stored));
    if (stored == Crc(bytes.substr(0, bytes.size() - sizeof(stored)))) return absl::OkStatus();
  }
  return Corrupt(file.name(), "does not have its checksum", kNextStep);
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
  std::vector<NamedTensor> tensors = TensorsOf(weights);
  std::uint32_t crc = 0;
  tensors.push_back(
      {kChecksum, Dtype::kU8, {sizeof(crc)}, {reinterpret_cast<const char*>(&crc), sizeof(crc)}});
  Metadata metadata = MetadataOf(key);
  metadata[kMean] = absl::StrFormat("%.9f", agreement.mean);
  metadata[kLeast] = absl::StrFormat("%.9f", agreement.least);
  const std::string header = model_files::SafetensorsHeader(tensors, metadata);
  std::vector<absl::string_view> pieces = {header};
  for (const NamedTensor& tensor : tensors) pieces.push_back(tensor.bytes);
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) crc = Crc(pieces[i], crc);
  return model_store::ReplaceFile(path, pieces);
}

absl::StatusOr<std::shared_ptr<const PackedWeights>> PackedWeights::Open(const std::string& path,
                                                                         const PackedKey& key) {
  RAGMESH_ASSIGN_OR_RETURN(auto file, model_files::Safetensors::Open(path));
  RAGMESH_RETURN_IF_ERROR(CheckSum(*file));
  Metadata found = file->metadata();
  Agreement agreement;
  if (!absl::SimpleAtod(found[kMean], &agreement.mean) ||
      !absl::SimpleAtod(found[kLeast], &agreement.least)) {
    return Corrupt(path, "does not say what its weights cost", kNextStep);
  }
  for (const auto& [name, value] : MetadataOf(key)) {
    if (found[name] == value) continue;
    return WrongState("PACKED_WEIGHTS_STALE",
                      absl::StrCat(path, " has ", name, " \"", found[name].substr(0, 80),
                                   "\", not \"", value, "\""),
                      kNextStep);
  }
  return std::shared_ptr<const PackedWeights>(new PackedWeights(std::move(file), agreement));
}

absl::StatusOr<absl::Span<const float>> PackedWeights::Floats(const std::string& name,
                                                              std::size_t size) const {
  const model_files::Tensor* tensor = file_->Find(name);
  if (tensor == nullptr || tensor->dtype != Dtype::kF32 || tensor->elements != size ||
      reinterpret_cast<std::uintptr_t>(tensor->bytes.data()) % alignof(float) != 0) {
    return Corrupt(absl::StrCat(file_->name(), ": tensor ", name),
                   absl::StrCat("is not ", size, " floats in place"), kNextStep);
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
                 absl::StrCat("is not of ", outputs, " x ", inputs, " weights"), kNextStep);
}

}  // namespace ragmesh::embedding
