// The storage types a GGUF tensor may have, with the size of their blocks.
#ifndef RAGMESH_LIBS_GGUF_TENSOR_TYPE_H_
#define RAGMESH_LIBS_GGUF_TENSOR_TYPE_H_

#include <cstdint>
#include <optional>

namespace ragmesh::gguf {

// Numbers as they stand in the file.
enum class TensorType : std::uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ4_NL = 20,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kBF16 = 30,
};

// Values are stored in blocks: `values` of them take `bytes`. Unquantised types have blocks of one
// value.
struct BlockShape {
  const char* name;
  std::uint32_t values;
  std::uint32_t bytes;
};

// nullopt for a number this reader does not know: its tensors cannot be bounds-checked.
std::optional<BlockShape> FindBlockShape(std::uint32_t type);

}  // namespace ragmesh::gguf

#endif  // RAGMESH_LIBS_GGUF_TENSOR_TYPE_H_
