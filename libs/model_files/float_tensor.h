// A tensor of a model file as floats: in place when it is stored so, converted otherwise.
#ifndef RAGMESH_LIBS_MODEL_FILES_FLOAT_TENSOR_H_
#define RAGMESH_LIBS_MODEL_FILES_FLOAT_TENSOR_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/model_files/safetensors.h"

namespace ragmesh::model_files {

// Immutable. Keeps alive what its values lie in.
class FloatTensor {
 public:
  // `name` from `file`, checked to have `shape` and only finite values. Stored as F32 at an aligned
  // place it stays in the mapped file; F16 and BF16 are widened exactly. DATA_LOSS naming the
  // tensor when it is missing, has another shape or type, or holds a NaN or infinity. Reads the
  // whole tensor once.
  static absl::StatusOr<FloatTensor> Read(const std::shared_ptr<const Safetensors>& file,
                                          absl::string_view name,
                                          const std::vector<std::uint64_t>& shape);

  FloatTensor() = default;
  absl::Span<const float> values() const { return values_; }
  const float* data() const { return values_.data(); }

 private:
  std::shared_ptr<const void> owner_;
  absl::Span<const float> values_;
};

// Exact widening of IEEE half precision and of bfloat16.
float HalfToFloat(std::uint16_t half);
float Bfloat16ToFloat(std::uint16_t bits);

}  // namespace ragmesh::model_files

#endif  // RAGMESH_LIBS_MODEL_FILES_FLOAT_TENSOR_H_
