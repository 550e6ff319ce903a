// Makes the bytes of a safetensors file from its header and data, right or wrong as the test needs.
#ifndef RAGMESH_TESTS_UNIT_MODEL_FILES_SAFETENSORS_BYTES_H_
#define RAGMESH_TESTS_UNIT_MODEL_FILES_SAFETENSORS_BYTES_H_

#include <cstdint>
#include <string>

namespace ragmesh::model_files {

inline std::string SafetensorsBytes(const std::string& header, const std::string& data) {
  std::string bytes;
  for (int i = 0; i < 8; ++i)
    bytes.push_back(static_cast<char>(std::uint64_t{header.size()} >> (8 * i) & 0xFF));
  return bytes + header + data;
}

}  // namespace ragmesh::model_files

#endif  // RAGMESH_TESTS_UNIT_MODEL_FILES_SAFETENSORS_BYTES_H_
