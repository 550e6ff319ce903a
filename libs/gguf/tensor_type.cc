#include "libs/gguf/tensor_type.h"

namespace ragmesh::gguf {

std::optional<BlockShape> FindBlockShape(std::uint32_t type) {
  switch (static_cast<TensorType>(type)) {
    case TensorType::kF32:
      return BlockShape{"F32", 1, 4};
    case TensorType::kF16:
      return BlockShape{"F16", 1, 2};
    case TensorType::kBF16:
      return BlockShape{"BF16", 1, 2};
    case TensorType::kF64:
      return BlockShape{"F64", 1, 8};
    case TensorType::kI8:
      return BlockShape{"I8", 1, 1};
    case TensorType::kI16:
      return BlockShape{"I16", 1, 2};
    case TensorType::kI32:
      return BlockShape{"I32", 1, 4};
    case TensorType::kI64:
      return BlockShape{"I64", 1, 8};
    case TensorType::kQ4_0:
      return BlockShape{"Q4_0", 32, 18};
    case TensorType::kQ4_1:
      return BlockShape{"Q4_1", 32, 20};
    case TensorType::kQ5_0:
      return BlockShape{"Q5_0", 32, 22};
    case TensorType::kQ5_1:
      return BlockShape{"Q5_1", 32, 24};
    case TensorType::kQ8_0:
      return BlockShape{"Q8_0", 32, 34};
    case TensorType::kIQ4_NL:
      return BlockShape{"IQ4_NL", 32, 18};
    case TensorType::kQ2_K:
      return BlockShape{"Q2_K", 256, 84};
    case TensorType::kQ3_K:
      return BlockShape{"Q3_K", 256, 110};
    case TensorType::kQ4_K:
      return BlockShape{"Q4_K", 256, 144};
    case TensorType::kQ5_K:
      return BlockShape{"Q5_K", 256, 176};
    case TensorType::kQ6_K:
      return BlockShape{"Q6_K", 256, 210};
  }
  return std::nullopt;
}

}  // namespace ragmesh::gguf
