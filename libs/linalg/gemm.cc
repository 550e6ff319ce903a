#include "libs/linalg/gemm.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <new>
#include <numeric>

namespace ragmesh::linalg {
namespace {

constexpr std::size_t kLine = 64;
// Columns that OpenBLAS or dot products take at a time: what divides a layer among threads.
constexpr std::size_t kWidthWithoutKernel = 64;

std::size_t ElementBytes(Precision precision) {
  return precision == Precision::kF32 ? 4 : precision == Precision::kBf16 ? 2 : 1;
}

std::size_t RoundUp(std::size_t n, std::size_t to) { return (n + to - 1) / to * to; }

}  // namespace

absl::string_view ToString(Precision precision) {
  return precision == Precision::kF32 ? "f32" : precision == Precision::kBf16 ? "bf16" : "int8";
}

std::optional<Precision> ParsePrecision(absl::string_view precision) {
  for (const auto known : {Precision::kF32, Precision::kBf16, Precision::kInt8}) {
    if (precision == ToString(known)) return known;
  }
  return std::nullopt;
}

const PanelKernel& KernelFor(const Kernels& kernels, Precision precision) {
  switch (precision) {
    case Precision::kBf16:
      return kernels.bf16;
    case Precision::kInt8:
      return kernels.int8;
    case Precision::kF32:
      break;
  }
  return kernels.f32;
}

bool Supports(const Kernels& kernels, Precision precision) {
  return precision == Precision::kF32 || KernelFor(kernels, precision).multiply != nullptr;
}

Int8Matrix RoundToInt8(const float* weights, std::size_t outputs, std::size_t inputs) {
  Int8Matrix rounded{outputs, inputs, std::vector<std::int8_t>(outputs * inputs),
                     std::vector<float>(outputs)};
  for (std::size_t o = 0; o < outputs; ++o) {
    const float* const row = weights + o * inputs;
    float largest = 0;
    for (std::size_t i = 0; i < inputs; ++i) largest = std::max(largest, std::fabs(row[i]));
    const float scale = rounded.scales[o] = largest / 127;
    for (std::size_t i = 0; i < inputs; ++i) {
      const long value = scale > 0 ? std::lrint(row[i] / scale) : 0;
      rounded.values[o * inputs + i] = static_cast<std::int8_t>(std::clamp(value, -127l, 127l));
    }
  }
  return rounded;
}

void AlignedBytes::Free::operator()(std::byte* data) const { std::free(data); }

void AlignedBytes::Reserve(std::size_t bytes) {
  if (bytes <= size_) return;
  data_.reset();
  size_ = RoundUp(bytes, kLine);
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(kLine, size_)));
  if (data_ == nullptr) throw std::bad_alloc();
}

PackedRows::PackedRows(const Kernels& kernels, Precision precision, std::size_t width)
    : kernels_(kernels),
      precision_(precision),
      width_(width),
      stride_bytes_(RoundUp(width * ElementBytes(precision), kLine)) {}

void PackedRows::Reset(std::size_t rows) {
  if (rows <= rows_) return;
  rows_ = rows;
  bytes_.Reserve(rows * stride_bytes_);
  std::memset(bytes_.data(), 0, rows * stride_bytes_);  // what lies behind the values stays so
  if (precision_ == Precision::kInt8) quantized_.resize(rows);
}

void PackedRows::Set(std::size_t row, const float* values, const float* factors) {
  if (precision_ == Precision::kInt8) {
    kernels_.quantize(values, factors, width_, reinterpret_cast<std::int8_t*>(Row(row)),
                      &quantized_[row]);
  } else if (precision_ == Precision::kBf16) {
    kernels_.to_bf16(values, width_, reinterpret_cast<std::uint16_t*>(Row(row)));
  } else {
    std::memcpy(Row(row), values, width_ * sizeof(float));
  }
}

PackedMatrix::PackedMatrix(const Kernels& kernels, Precision precision)
    : kernels_(kernels),
      precision_(precision),
      kernel_(KernelFor(kernels, precision)),
      panel_width_(kernel_.multiply == nullptr ? kWidthWithoutKernel : kernel_.width) {}

std::size_t PackedMatrix::size_bytes() const {
  return kernel_.multiply == nullptr
             ? outputs_ * inputs_ * sizeof(float)
             : panels() * groups_ * panel_width_ * kernel_.group * ElementBytes(precision_);
}

void PackedMatrix::SetShape(std::size_t outputs, std::size_t inputs) {
  outputs_ = outputs;
  inputs_ = inputs;
  groups_ = kernel_.multiply == nullptr ? inputs : (inputs + kernel_.group - 1) / kernel_.group;
}

bool PackedMatrix::View(std::size_t outputs, std::size_t inputs, const Parts& parts) {
  SetShape(outputs, inputs);
  const std::size_t quantized = precision_ == Precision::kInt8 ? outputs : 0;
  parts_ = parts;
  return parts.panels.size() == size_bytes() && parts.scales.size() == quantized &&
         parts.sums.size() == quantized &&
         reinterpret_cast<std::uintptr_t>(parts.panels.data()) % kLine == 0;
}

void PackedMatrix::Pack(const float* weights, std::size_t outputs, std::size_t inputs) {
  if (precision_ == Precision::kInt8) return Pack(RoundToInt8(weights, outputs, inputs));
  SetShape(outputs, inputs);
  packed_.Reserve(size_bytes());
  parts_.panels = {packed_.data(), size_bytes()};
  if (kernel_.multiply == nullptr) {
    std::memcpy(packed_.data(), weights, outputs * inputs * sizeof(float));
  } else if (precision_ == Precision::kBf16) {
    PackPanels<std::uint16_t>(
        [&](std::size_t output, std::size_t input) {
          std::uint16_t rounded;
          kernels_.to_bf16(weights + output * inputs + input, 1, &rounded);
          return rounded;
        },
        std::uint16_t{0});
  } else {
    PackPanels<float>(
        [&](std::size_t output, std::size_t input) { return weights[output * inputs + input]; },
        0.0f);
  }
}

void PackedMatrix::Pack(const Int8Matrix& weights) {
  SetShape(weights.outputs, weights.inputs);
  packed_.Reserve(size_bytes());
  scales_ = weights.scales;
  sums_.resize(outputs_);
  for (std::size_t o = 0; o < outputs_; ++o) {
    const auto row = weights.values.begin() + static_cast<std::ptrdiff_t>(o * inputs_);
    const int sum = std::accumulate(row, row + static_cast<std::ptrdiff_t>(inputs_), 0);
    sums_[o] = static_cast<float>(sum) * scales_[o];
  }
  parts_ = {{packed_.data(), size_bytes()}, scales_, sums_};
  const int offset = kernel_.weight_offset;
  PackPanels<std::uint8_t>(
      [&](std::size_t output, std::size_t input) {
        return static_cast<std::uint8_t>(weights.values[output * inputs_ + input] + offset);
      },
      static_cast<std::uint8_t>(offset));
}

// Columns and inputs past the end are computed and thrown away; `padding`, which stands for zero,
// keeps them from being slow or trapping.
template <typename Element, typename Value>
void PackedMatrix::PackPanels(const Value& value, Element padding) {
  auto* to = reinterpret_cast<Element*>(packed_.data());
  for (std::size_t first = 0; first < outputs_; first += panel_width_) {
    for (std::size_t input = 0; input < groups_ * kernel_.group; input += kernel_.group) {
      for (std::size_t output = first; output < first + panel_width_; ++output) {
        for (std::size_t i = input; i < input + kernel_.group; ++i)
          *to++ = output < outputs_ && i < inputs_ ? value(output, i) : padding;
      }
    }
  }
}

void PackedMatrix::MultiplyPanel(const PackedRows& a, std::size_t first_row, std::size_t rows,
                                 std::size_t panel, const Finish& finish, float* out,
                                 std::size_t out_stride) const {
  const std::size_t first = panel * panel_width_;
  const std::size_t columns = std::min(panel_width_, outputs_ - first);
  const float* const bias = finish.bias == nullptr ? nullptr : finish.bias + first;
  out += first;
  if (kernel_.multiply == nullptr) {
    const auto* values = reinterpret_cast<const float*>(a.Row(first_row));
    const std::size_t stride = a.stride_bytes_ / sizeof(float);
    if (const Sgemm sgemm = OpenBlasSgemm(); sgemm != nullptr && inputs_ > 0) {
      MultiplyByOpenBlas(sgemm, values, stride, rows, first, columns, bias, out, out_stride);
    } else {
      MultiplyByDots(values, stride, rows, first, columns, bias, out, out_stride);
    }
    for (std::size_t r = 0; finish.gelu && r < rows; ++r)
      kernels_.gelu(out + r * out_stride, columns);
    return;
  }
  PanelProduct product = ProductWith(panel);
  product.a = a.Row(first_row);
  product.a_stride_bytes = a.stride_bytes_;
  product.rows = rows;
  product.bias = bias;
  product.gelu = finish.gelu;
  product.out = out;
  product.out_stride = out_stride;
  product.quantized_rows = a.quantized_.empty() ? nullptr : &a.quantized_[first_row];
  kernel_.multiply(product);
}

PanelProduct PackedMatrix::ProductWith(std::size_t panel) const {
  const std::size_t first = panel * panel_width_;
  const std::size_t panel_bytes = size_bytes() / panels();
  const std::byte* const weights = parts_.panels.data() + panel * panel_bytes;
  return {.groups = groups_,
          .panel = weights,
          .next = panel + 1 < panels() ? weights + panel_bytes : nullptr,
          .columns = std::min(panel_width_, outputs_ - first),
          .column_scales = parts_.scales.empty() ? nullptr : parts_.scales.data() + first,
          .column_sums = parts_.sums.empty() ? nullptr : parts_.sums.data() + first};
}

void PackedMatrix::Multiply(const PackedRows& a, std::size_t first_row, std::size_t rows,
                            const Finish& finish, float* out, std::size_t out_stride) const {
  for (std::size_t panel = 0; panel < panels(); ++panel)
    MultiplyPanel(a, first_row, rows, panel, finish, out, out_stride);
}

void PackedMatrix::Multiply(const Int8Rows& a, std::size_t rows, float* out,
                            std::size_t out_stride) const {
  for (std::size_t panel = 0; panel < panels(); ++panel) {
    PanelProduct product = ProductWith(panel);
    product.a = a.values;
    product.a_stride_bytes = a.width;
    product.rows = rows;
    product.out = out + panel * panel_width_;
    product.out_stride = out_stride;
    product.quantized_rows = a.rows;
    kernel_.multiply(product);
  }
}

void PackedMatrix::MultiplyByOpenBlas(Sgemm sgemm, const float* a, std::size_t a_stride,
                                      std::size_t rows, std::size_t first, std::size_t columns,
                                      const float* bias, float* out, std::size_t out_stride) const {
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = out + r * out_stride;
    if (bias == nullptr) {
      std::fill_n(row, columns, 0.0f);
    } else {
      std::copy_n(bias, columns, row);
    }
  }
  const auto* weights = reinterpret_cast<const float*>(parts_.panels.data()) + first * inputs_;
  sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(rows), static_cast<int>(columns),
        static_cast<int>(inputs_), 1.0f, a, static_cast<int>(a_stride), weights,
        static_cast<int>(inputs_), 1.0f, out, static_cast<int>(out_stride));
}

void PackedMatrix::MultiplyByDots(const float* a, std::size_t a_stride, std::size_t rows,
                                  std::size_t first, std::size_t columns, const float* bias,
                                  float* out, std::size_t out_stride) const {
  const auto* weights = reinterpret_cast<const float*>(parts_.panels.data());
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      out[r * out_stride + c] =
          (bias == nullptr ? 0.0f : bias[c]) +
          kernels_.dot(a + r * a_stride, weights + (first + c) * inputs_, inputs_);
    }
  }
}

}  // namespace ragmesh::linalg
