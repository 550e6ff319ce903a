// Writes the safetensors format, for files that are mapped and used in place.
#ifndef RAGMESH_LIBS_MODEL_FILES_SAFETENSORS_WRITER_H_
#define RAGMESH_LIBS_MODEL_FILES_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::model_files {

// A tensor by the name it gets. `bytes` are borrowed and fit type and shape.
struct NamedTensor {
  std::string name;
  Dtype dtype = Dtype::kU8;
  std::vector<std::uint64_t> shape;
  absl::string_view bytes;
};

// The bytes of a file before those of `tensors`, which follow in this order without a gap. Padded
// so that the first tensor begins at a multiple of 64 bytes. Names differ, and differ from
// "__metadata__".
std::string SafetensorsHeader(const std::vector<NamedTensor>& tensors,
                              const std::map<std::string, std::string>& metadata);

}  // namespace ragmesh::model_files

#endif  // RAGMESH_LIBS_MODEL_FILES_SAFETENSORS_WRITER_H_
