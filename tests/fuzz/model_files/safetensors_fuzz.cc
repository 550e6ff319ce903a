// Any bytes as a safetensors file: a status, or tensors whose every byte can be read.
#include <cstdint>

#include "libs/model_files/float_tensor.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::model_files;
  const auto file = Safetensors::Parse({reinterpret_cast<const char*>(data), size}, "fuzz");
  if (!file.ok()) return 0;
  std::uint64_t bytes = 0;
  for (const auto& [name, tensor] : (*file)->tensors()) {
    bytes += tensor.bytes.size();
    (void)FloatTensor::Read(*file, name, tensor.shape);
  }
  if (bytes > size) __builtin_trap();
  return 0;
}
