#include "libs/linalg/gemm.h"

#include <algorithm>

#include "libs/linalg/open_blas.h"

namespace ragmesh::linalg {

void PackedMatrix::Pack(const float* weights, std::size_t outputs, std::size_t inputs,
                        std::size_t output_stride, std::size_t input_stride) {
  outputs_ = outputs;
  inputs_ = inputs;
  if (kernels_->multiply_panel == nullptr) {
    packed_.resize(outputs * inputs);
    for (std::size_t o = 0; o < outputs; ++o) {
      for (std::size_t i = 0; i < inputs; ++i) {
        packed_[o * inputs + i] = weights[o * output_stride + i * input_stride];
      }
    }
    return;
  }
  const std::size_t width = kernels_->panel_width;
  packed_.resize((outputs + width - 1) / width * width * inputs);
  for (std::size_t first = 0; first < outputs; first += width) {
    float* panel = packed_.data() + first * inputs;
    const std::size_t columns = std::min(width, outputs - first);
    for (std::size_t i = 0; i < inputs; ++i) {
      const float* from = weights + first * output_stride + i * input_stride;
      for (std::size_t c = 0; c < columns; ++c) panel[i * width + c] = from[c * output_stride];
      // Columns past the end are computed and thrown away; zeros keep them from being slow or
      // trapping.
      for (std::size_t c = columns; c < width; ++c) panel[i * width + c] = 0;
    }
  }
}

void PackedMatrix::Multiply(const float* a, std::size_t a_stride, std::size_t rows,
                            const float* bias, float* out, std::size_t out_stride) const {
  if (rows == 0 || outputs_ == 0) return;
  if (kernels_->multiply_panel == nullptr) {
    if (const Sgemm sgemm = OpenBlasSgemm(); sgemm != nullptr && inputs_ > 0) {
      MultiplyByOpenBlas(sgemm, a, a_stride, rows, bias, out, out_stride);
    } else {
      MultiplyByDots(a, a_stride, rows, bias, out, out_stride);
    }
    return;
  }
  const std::size_t width = kernels_->panel_width;
  // Rows in blocks that stay in a 512 KB second-level cache beside a panel while all panels pass
  // over them.
  const std::size_t block =
      std::max<std::size_t>(48, 48 * (1536 / std::max<std::size_t>(inputs_, 1)));
  for (std::size_t r = 0; r < rows; r += block) {
    for (std::size_t first = 0; first < outputs_; first += width) {
      kernels_->multiply_panel(
          a + r * a_stride, a_stride, std::min(block, rows - r), inputs_,
          packed_.data() + first * inputs_, bias == nullptr ? nullptr : bias + first,
          std::min(width, outputs_ - first), out + r * out_stride + first, out_stride);
    }
  }
}

void PackedMatrix::MultiplyByOpenBlas(Sgemm sgemm, const float* a, std::size_t a_stride,
                                      std::size_t rows, const float* bias, float* out,
                                      std::size_t out_stride) const {
  for (std::size_t r = 0; r < rows; ++r) {
    float* row = out + r * out_stride;
    if (bias == nullptr) {
      std::fill_n(row, outputs_, 0.0f);
    } else {
      std::copy_n(bias, outputs_, row);
    }
  }
  sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, static_cast<int>(rows), static_cast<int>(outputs_),
        static_cast<int>(inputs_), 1.0f, a, static_cast<int>(a_stride), packed_.data(),
        static_cast<int>(inputs_), 1.0f, out, static_cast<int>(out_stride));
}

void PackedMatrix::MultiplyByDots(const float* a, std::size_t a_stride, std::size_t rows,
                                  const float* bias, float* out, std::size_t out_stride) const {
  for (std::size_t r = 0; r < rows; ++r) {
    for (std::size_t o = 0; o < outputs_; ++o) {
      out[r * out_stride + o] =
          (bias == nullptr ? 0.0f : bias[o]) +
          kernels_->dot(a + r * a_stride, packed_.data() + o * inputs_, inputs_);
    }
  }
}

}  // namespace ragmesh::linalg
