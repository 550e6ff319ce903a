// Packing the matrices of a decoder, once for all processes of a machine where a folder for that is
// given. docs/formats/packed-weights.md has every byte of the file.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/generation/decoder.h"
#include "libs/model_files/derived_file.h"

namespace ragmesh::generation {
namespace {

// Rises when panels come to mean something else.
constexpr char kFormat[] = "ragmesh decoder weights 1";

std::map<std::string, std::string> MetadataOf(const std::string& digest) {
  return {{"format", kFormat}, {"source", digest}};
}

std::size_t PackedSize(const quant::WeightRows& stored) {
  return quant::PackedBytes(stored.type, stored.rows, stored.columns);
}

}  // namespace

std::vector<std::pair<std::string, Decoder::Matrix*>> Decoder::Matrices() {
  std::vector<std::pair<std::string, Matrix*>> matrices;
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Layer& layer = layers_[i];
    for (const auto& [name, matrix] : {std::pair{"q", &layer.q},
                                       {"k", &layer.k},
                                       {"v", &layer.v},
                                       {"output", &layer.output},
                                       {"gate", &layer.gate},
                                       {"up", &layer.up},
                                       {"down", &layer.down}}) {
      matrices.emplace_back(absl::StrCat("layer.", i, ".", name), matrix);
    }
  }
  matrices.emplace_back("head", &head_);
  return matrices;
}

absl::Status Decoder::PackWeights(const DecoderOptions& options) {
  if (options.packed_folder.empty() || options.digest.empty()) return PackIntoMemory();
  const std::string path =
      absl::StrCat(options.packed_folder, "/", options.digest, ".decoder.safetensors");
  if (ReadPacked(path, options.digest).ok()) return absl::OkStatus();
  RAGMESH_RETURN_IF_ERROR(PackIntoMemory());
  absl::Status shared = WritePacked(path, options.digest);
  if (shared.ok()) shared = ReadPacked(path, options.digest);
  if (shared.ok()) {
    packed_ = PageArena();
  } else if (options.not_shared) {
    options.not_shared(shared);
  }
  return absl::OkStatus();
}

absl::Status Decoder::PackIntoMemory() {
  std::size_t bytes = 0;
  for (const auto& [name, matrix] : Matrices()) bytes += PackedSize(matrix->stored);
  RAGMESH_ASSIGN_OR_RETURN(packed_, PageArena::Allocate(bytes));
  std::uint8_t* data = packed_.data();
  for (const auto& [name, matrix] : Matrices()) {
    const quant::WeightRows& stored = matrix->stored;
    const std::size_t panel = quant::LayOutPanel(stored.type, stored.columns).bytes;
    const std::size_t row = quant::RowBytes(stored.type, stored.columns);
    pool_->Run(quant::PanelCount(stored.rows), [&](std::size_t i, int) {
      const std::size_t first = i * quant::kPanelRows;
      quant::PackPanel(stored.type, stored.data + first * row,
                       std::min(quant::kPanelRows, stored.rows - first), stored.columns,
                       data + i * panel);
    });
    matrix->packed = {stored.type, data, stored.rows, stored.columns};
    data += PackedSize(stored);
  }
  return absl::OkStatus();
}

absl::Status Decoder::WritePacked(const std::string& path, const std::string& digest) {
  std::vector<model_files::NamedTensor> tensors;
  for (const auto& [name, matrix] : Matrices()) {
    const std::size_t bytes = PackedSize(matrix->stored);  // a multiple of 64
    tensors.push_back({name,
                       model_files::Dtype::kU8,
                       {bytes},
                       {reinterpret_cast<const char*>(matrix->packed.data), bytes}});
  }
  return model_files::WriteDerived(path, std::move(tensors), MetadataOf(digest));
}

absl::Status Decoder::ReadPacked(const std::string& path, const std::string& digest) {
  RAGMESH_ASSIGN_OR_RETURN(auto file, model_files::OpenDerived(path, MetadataOf(digest)));
  std::vector<quant::QuantMatrix> views;
  for (const auto& [name, matrix] : Matrices()) {
    const quant::WeightRows& stored = matrix->stored;
    const model_files::Tensor* tensor = file->Find(name);
    if (tensor == nullptr || tensor->bytes.size() != PackedSize(stored) ||
        reinterpret_cast<std::uintptr_t>(tensor->bytes.data()) % 64 != 0) {
      return Corrupt(absl::StrCat(path, ": tensor ", name),
                     absl::StrCat("is not ", stored.rows, " x ", stored.columns, " packed weights"),
                     model_files::kDerivedNextStep);
    }
    views.push_back({stored.type, reinterpret_cast<const std::uint8_t*>(tensor->bytes.data()),
                     stored.rows, stored.columns});
  }
  std::size_t next = 0;
  for (const auto& [name, matrix] : Matrices()) matrix->packed = views[next++];
  packed_file_ = std::move(file);
  return absl::OkStatus();
}

}  // namespace ragmesh::generation
