#include "libs/model_files/safetensors_writer.h"

#include <cstddef>

#include "nlohmann/json.hpp"

namespace ragmesh::model_files {

std::string SafetensorsHeader(const std::vector<NamedTensor>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  nlohmann::json root = {{"__metadata__", metadata}};
  std::uint64_t end = 0;
  for (const NamedTensor& tensor : tensors) {
    const std::uint64_t begin = end;
    end += tensor.bytes.size();
    root[tensor.name] = {{"dtype", std::string(ToString(tensor.dtype))},
                         {"shape", tensor.shape},
                         {"data_offsets", {begin, end}}};
  }
  std::string text = root.dump();
  constexpr std::size_t kLengthBytes = 8, kLine = 64;
  text.resize((kLengthBytes + text.size() + kLine - 1) / kLine * kLine - kLengthBytes, ' ');
  std::string header;
  for (std::size_t i = 0; i < kLengthBytes; ++i)
    header.push_back(static_cast<char>(std::uint64_t{text.size()} >> (8 * i) & 0xFF));
  return header + text;
}

}  // namespace ragmesh::model_files
