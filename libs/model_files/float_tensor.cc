#include "libs/model_files/float_tensor.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::model_files {
namespace {

absl::Status Bad(const Safetensors& file, absl::string_view name, absl::string_view problem) {
  return Corrupt(absl::StrCat(file.name(), ": tensor ", name), problem,
                 "Use a file made for this architecture, or pull the model again.");
}

std::vector<float> Convert(const Tensor& tensor) {
  std::vector<float> values(tensor.elements);
  if (tensor.dtype == Dtype::kF32) {
    std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
    return values;
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t bits;
    std::memcpy(&bits, tensor.bytes.data() + 2 * i, 2);
    values[i] = tensor.dtype == Dtype::kF16 ? HalfToFloat(bits) : Bfloat16ToFloat(bits);
  }
  return values;
}

bool AllFinite(absl::Span<const float> values) {
  // x * 0 is 0 for finite x and NaN for the rest, and a NaN stays in the sum.
  float sums[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= values.size(); i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += values[i + lane] * 0.0f;
  }
  for (; i < values.size(); ++i) sums[0] += values[i] * 0.0f;
  for (const float sum : sums) {
    if (std::isnan(sum)) return false;
  }
  return true;
}

}  // namespace

absl::StatusOr<FloatTensor> FloatTensor::Read(const std::shared_ptr<const Safetensors>& file,
                                              absl::string_view name,
                                              const std::vector<std::uint64_t>& shape) {
  const Tensor* tensor = file->Find(name);
  if (tensor == nullptr) return Bad(*file, name, "is missing");
  if (tensor->shape != shape) {
    return Bad(
        *file, name,
        absl::StrCat("has shape ", ShapeToString(tensor->shape), ", not ", ShapeToString(shape)));
  }
  if (tensor->dtype != Dtype::kF32 && tensor->dtype != Dtype::kF16 &&
      tensor->dtype != Dtype::kBf16) {
    return Bad(*file, name,
               absl::StrCat("has type ", ToString(tensor->dtype), ", not F32, F16 or BF16"));
  }
  FloatTensor read;
  const bool aligned = reinterpret_cast<std::uintptr_t>(tensor->bytes.data()) % alignof(float) == 0;
  if (tensor->dtype == Dtype::kF32 && aligned) {
    read.owner_ = file;
    read.values_ = {reinterpret_cast<const float*>(tensor->bytes.data()), tensor->elements};
  } else {
    auto values = std::make_shared<const std::vector<float>>(Convert(*tensor));
    read.values_ = *values;
    read.owner_ = std::move(values);
  }
  if (!AllFinite(read.values_)) return Bad(*file, name, "holds a value that is not finite");
  return read;
}

float HalfToFloat(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16;
  const std::uint32_t exponent = half >> 10 & 0x1F;
  const std::uint32_t mantissa = half & 0x3FF;
  if (exponent == 0) {  // zero and denormals: mantissa * 2^-24
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t widened = exponent == 31 ? 0xFF : exponent + 112;
  return std::bit_cast<float>(sign | widened << 23 | mantissa << 13);
}

float Bfloat16ToFloat(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace ragmesh::model_files
