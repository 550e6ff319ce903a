#include "libs/model_files/derived_file.h"

#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/crc32.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/model_store/file_io.h"

namespace ragmesh::model_files {
namespace {

constexpr char kChecksum[] = "checksum";

// A CRC-32 and no SHA-256, which takes many times as long. It does not stop somebody who means to
// change weights: the folder is trusted as the program is. The checksum is the last tensor, so that
// it covers all before it, metadata included.
absl::Status CheckSum(const Safetensors& file) {
  const Tensor* tensor = file.Find(kChecksum);
  const absl::string_view bytes = file.bytes();
  std::uint32_t stored = 0;
  if (tensor != nullptr && tensor->bytes.size() == sizeof(stored) &&
      tensor->bytes.data() + sizeof(stored) == bytes.data() + bytes.size()) {
    std::memcpy(&stored, tensor->bytes.data(), sizeof(stored));
    if (stored == Crc32(bytes.substr(0, bytes.size() - sizeof(stored)))) return absl::OkStatus();
  }
  return Corrupt(file.name(), "does not have its checksum", kDerivedNextStep);
}

absl::Status Check(const Safetensors& file, const std::map<std::string, std::string>& metadata) {
  RAGMESH_RETURN_IF_ERROR(CheckSum(file));
  for (const auto& [name, value] : metadata) {
    const auto found = file.metadata().find(name);
    const std::string has = found == file.metadata().end() ? "" : found->second;
    if (has == value) continue;
    return WrongState("DERIVED_FILE_STALE",
                      absl::StrCat(file.name(), " has ", name, " \"", has.substr(0, 80),
                                   "\", not \"", value, "\""),
                      kDerivedNextStep);
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteDerived(const std::string& path, std::vector<NamedTensor> tensors,
                          const std::map<std::string, std::string>& metadata) {
  std::uint32_t crc = 0;
  tensors.push_back(
      {kChecksum, Dtype::kU8, {sizeof(crc)}, {reinterpret_cast<const char*>(&crc), sizeof(crc)}});
  const std::string header = SafetensorsHeader(tensors, metadata);
  std::vector<absl::string_view> pieces = {header};
  for (const NamedTensor& tensor : tensors) pieces.push_back(tensor.bytes);
  for (std::size_t i = 0; i + 1 < pieces.size(); ++i) crc = Crc32(pieces[i], crc);
  return model_store::ReplaceFile(path, pieces);
}

absl::StatusOr<std::shared_ptr<const Safetensors>> OpenDerived(
    const std::string& path, const std::map<std::string, std::string>& metadata) {
  RAGMESH_ASSIGN_OR_RETURN(auto file, Safetensors::Open(path));
  RAGMESH_RETURN_IF_ERROR(Check(*file, metadata));
  return file;
}

absl::StatusOr<std::shared_ptr<const Safetensors>> ParseDerived(
    absl::string_view bytes, absl::string_view name,
    const std::map<std::string, std::string>& metadata) {
  RAGMESH_ASSIGN_OR_RETURN(auto file, Safetensors::Parse(bytes, name));
  RAGMESH_RETURN_IF_ERROR(Check(*file, metadata));
  return file;
}

}  // namespace ragmesh::model_files
