#include "tests/unit/linalg/panel_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

namespace ragmesh::linalg {
namespace {

std::size_t ElementBytes(Precision precision) {
  return precision == Precision::kF32 ? 4 : precision == Precision::kBf16 ? 2 : 1;
}

// What GuardedMemory fills memory with.
bool IsUntouched(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits == 0xFFFFFFFF;
}

template <typename T>
const T* CopyTo(GuardedMemory& memory, const std::vector<T>& values) {
  T* const to = memory.Last<T>(values.size());
  std::copy(values.begin(), values.end(), to);
  return to;
}

}  // namespace

const PanelKernel& KernelOf(const Kernels& table, Precision precision) {
  return precision == Precision::kF32    ? table.f32
         : precision == Precision::kBf16 ? table.bf16
                                         : table.int8;
}

float RoundToBf16(float value) {
  std::uint16_t rounded;
  SupportedKernels().front()->to_bf16(&value, 1, &rounded);
  const std::uint32_t bits = std::uint32_t{rounded} << 16;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

void PanelCase::Randomise(std::size_t rows, std::size_t columns, std::size_t inputs,
                          std::mt19937& random) {
  rows_ = rows, columns_ = columns, inputs_ = inputs;
  a.resize(rows * inputs), w.resize(columns * inputs);
  bias.resize(columns);
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> beyond(-160, 160);
  for (auto* operand : {&a, &w}) {
    for (float& value : *operand) {
      value = precision_ == Precision::kF32 ? normal(random)
              : precision_ == Precision::kBf16
                  ? RoundToBf16(normal(random))
                  : static_cast<float>(std::clamp(beyond(random), -127, 127));
    }
  }
  for (float& value : bias) value = normal(random);
  quantized_rows_.assign(rows, {.scale = 1});
  column_scales_.assign(columns, 1);
  column_sums_.assign(columns, 0);
  if (precision_ != Precision::kInt8) return;
  std::uniform_real_distribution<float> scale(0.001f, 0.1f);
  for (QuantizedRow& row : quantized_rows_) row = {scale(random), normal(random)};
  for (float& value : column_scales_) value = scale(random);
  for (float& value : column_sums_) value = normal(random);
}

void PanelCase::Encode(float value, int offset, std::byte* to) const {
  if (precision_ == Precision::kInt8) {
    *to = static_cast<std::byte>(static_cast<int>(value) + offset);
    return;
  }
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  if (precision_ == Precision::kBf16) bits >>= 16;
  std::memcpy(to, &bits, ElementBytes(precision_));
}

const PanelProduct& PanelCase::LayOut(const PanelKernel& kernel) {
  const std::size_t element = ElementBytes(precision_);
  const std::size_t groups = (inputs_ + kernel.group - 1) / kernel.group;
  const std::size_t row_bytes = groups * kernel.group * element;
  const std::size_t a_stride = row_bytes + 3;
  auto* const rows = a_memory_.Last<std::byte>((rows_ - 1) * a_stride + row_bytes);
  for (std::size_t r = 0; r < rows_; ++r) {
    std::byte* const row = rows + r * a_stride;
    std::fill_n(row, row_bytes, std::byte{0});
    double sum = 0;
    for (std::size_t i = 0; i < inputs_; ++i) {
      Encode(a[r * inputs_ + i], 0, row + i * element);
      sum += a[r * inputs_ + i];
    }
    if (precision_ == Precision::kInt8) quantized_rows_[r].sum = static_cast<std::int32_t>(sum);
  }
  const std::size_t lane = kernel.group * element;
  auto* const panel = panel_memory_.Last<std::byte>(groups * kernel.width * lane);
  for (std::size_t c = 0; c < columns_; ++c) {
    for (std::size_t i = 0; i < groups * kernel.group; ++i) {
      Encode(i < inputs_ ? w[c * inputs_ + i] : 0, kernel.weight_offset,
             panel + (i / kernel.group * kernel.width + c) * lane + i % kernel.group * element);
    }
  }
  const std::size_t out_stride = columns_ + 5;
  product_ = {.a = rows,
              .a_stride_bytes = a_stride,
              .rows = rows_,
              .groups = groups,
              .panel = panel,
              .columns = columns_,
              .bias = CopyTo(bias_memory_, bias),
              .out = out_memory_.Last<float>((rows_ - 1) * out_stride + columns_),
              .out_stride = out_stride};
  if (precision_ == Precision::kInt8) {
    product_.quantized_rows = CopyTo(quantized_row_memory_, quantized_rows_);
    product_.column_scales = CopyTo(column_scale_memory_, column_scales_);
    product_.column_sums = CopyTo(column_sum_memory_, column_sums_);
  }
  return product_;
}

void PanelCase::ExpectResultIsRight() const {
  const double rounding = 0x1p-23 * static_cast<double>(inputs_ + 2);
  for (std::size_t r = 0; r < rows_; ++r) {
    const float* const out = product_.out + r * product_.out_stride;
    for (std::size_t c = 0; c < columns_; ++c) {
      double sum = 0, magnitude = 0;
      for (std::size_t i = 0; i < inputs_; ++i) {
        const double product = double{a[r * inputs_ + i]} * w[c * inputs_ + i];
        sum += product;
        magnitude += std::fabs(product);
      }
      const double scale = double{quantized_rows_[r].scale} * column_scales_[c];
      const double shift = double{quantized_rows_[r].offset} * column_sums_[c];
      const double start = product_.bias == nullptr ? 0 : product_.bias[c];
      ASSERT_NEAR(out[c], sum * scale + shift + start,
                  rounding * (magnitude * scale + std::fabs(shift) + std::fabs(start)))
          << rows_ << " x " << columns_ << " x " << inputs_ << " at " << r << ", " << c;
    }
    for (std::size_t c = columns_; r + 1 < rows_ && c < product_.out_stride; ++c) {
      ASSERT_TRUE(IsUntouched(out[c]))
          << rows_ << " x " << columns_ << " x " << inputs_ << " behind row " << r;
    }
  }
}

std::vector<float> PanelCase::Result() const {
  std::vector<float> result;
  for (std::size_t r = 0; r < rows_; ++r) {
    const float* const out = product_.out + r * product_.out_stride;
    result.insert(result.end(), out, out + columns_);
  }
  return result;
}

}  // namespace ragmesh::linalg
