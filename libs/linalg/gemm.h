// Matrix products against a matrix that is prepared once and used often: a layer's weights.
#ifndef RAGMESH_LIBS_LINALG_GEMM_H_
#define RAGMESH_LIBS_LINALG_GEMM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/linalg/kernels.h"
#include "libs/linalg/open_blas.h"

namespace ragmesh::linalg {

// How the operands of a product are stored. Sums are float32, for int8 exact integers.
enum class Precision { kF32, kBf16, kInt8 };

// "f32", "bf16", "int8".
absl::string_view ToString(Precision precision);
// Nothing for any other word.
std::optional<Precision> ParsePrecision(absl::string_view precision);

// The product of `kernels` in that precision: what a packed matrix is laid out for.
const PanelKernel& KernelFor(const Kernels& kernels, Precision precision);

// Whether `kernels` can multiply so: f32 always.
bool Supports(const Kernels& kernels, Precision precision);

// A matrix rounded to 8 bits: weight [o][i] is values[o * inputs + i] * scales[o].
struct Int8Matrix {
  std::size_t outputs = 0;
  std::size_t inputs = 0;
  std::vector<std::int8_t> values;  // -127 to 127
  std::vector<float> scales;
};

// Each output's weights to the nearest 1/127 of their largest magnitude.
Int8Matrix RoundToInt8(const float* weights, std::size_t outputs, std::size_t inputs);

// Rows that are bytes already: value b of row r stands for rows[r].offset + rows[r].scale * b.
// Borrowed.
struct Int8Rows {
  const std::int8_t* values = nullptr;  // row after row without a gap
  std::size_t width = 0;                // values of a row, a multiple of 4
  const QuantizedRow* rows = nullptr;
};

// Memory at a multiple of 64 bytes that grows and never shrinks. What it holds is lost as it grows.
class AlignedBytes {
 public:
  void Reserve(std::size_t bytes);
  std::byte* data() const { return data_.get(); }

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  std::unique_ptr<std::byte[], Free> data_;
  std::size_t size_ = 0;
};

// Rows of activations in the form products of one precision read them: a factor of PackedMatrix.
// int8 keeps a scale and an offset for every row. Different rows may be set by different threads at
// a time.
class PackedRows {
 public:
  PackedRows(const Kernels& kernels, Precision precision, std::size_t width);

  // Makes room for `rows` rows and forgets all of them. Allocates only when there were never as
  // many.
  void Reset(std::size_t rows);

  // Takes `width` values, int8 each times its factor unless `factors` is null.
  void Set(std::size_t row, const float* values, const float* factors = nullptr);

  std::size_t width() const { return width_; }

 private:
  friend class PackedMatrix;

  std::byte* Row(std::size_t row) const { return bytes_.data() + row * stride_bytes_; }

  const Kernels& kernels_;
  const Precision precision_;
  const std::size_t width_;
  const std::size_t stride_bytes_;  // a whole number of cache lines, zeros behind the values
  AlignedBytes bytes_;
  std::size_t rows_ = 0;
  std::vector<QuantizedRow> quantized_;  // int8
};

// Holds W, `outputs` x `inputs`, in panels of the order the kernel reads. A row of a product
// depends on that row of the input alone, bit for bit, whatever the number of rows, unless
// rows_are_independent() is false: then OpenBLAS does the work, where it is installed, and a row
// may differ in the last bits between products of different height. Without it, dot products do,
// slowly.
//
// Multiply is thread-safe; Pack is not.
class PackedMatrix {
 public:
  // `kernels` must support `precision`.
  PackedMatrix(const Kernels& kernels, Precision precision);

  // Takes W[o][i] = weights[o * inputs + i]; int8 by way of RoundToInt8.
  void Pack(const float* weights, std::size_t outputs, std::size_t inputs);
  // For int8 alone.
  void Pack(const Int8Matrix& weights);

  // What Pack has made, to be kept elsewhere; valid while this matrix is.
  struct Parts {
    absl::Span<const std::byte> panels;
    absl::Span<const float> scales, sums;  // int8: one per output; else empty
  };
  const Parts& parts() const { return parts_; }

  // Instead of Pack: multiplies by `parts` that Pack made of such a matrix, for the same kernels
  // and precision. They are borrowed. False, and then the matrix must not be used, when they have
  // other sizes or panels do not begin at a multiple of 64 bytes.
  bool View(std::size_t outputs, std::size_t inputs, const Parts& parts);

  // What becomes of the sums on their way out.
  struct Finish {
    const float* bias = nullptr;  // one per output; null: zeros
    bool gelu = false;
  };

  // out[r * out_stride + o] = bias[o] + sum over i of a[first_row + r][i] * W[o][i], or its GELU,
  // for r < rows and the outputs of panel `panel`, which are the o from panel * panel_width() on.
  // `a` has the precision and kernels of this matrix.
  void MultiplyPanel(const PackedRows& a, std::size_t first_row, std::size_t rows,
                     std::size_t panel, const Finish& finish, float* out,
                     std::size_t out_stride) const;

  // All panels.
  void Multiply(const PackedRows& a, std::size_t first_row, std::size_t rows, const Finish& finish,
                float* out, std::size_t out_stride) const;
  // The same without a bias, of the first `rows` rows of `a` where they lie. For int8 alone.
  void Multiply(const Int8Rows& a, std::size_t rows, float* out, std::size_t out_stride) const;

  std::size_t outputs() const { return outputs_; }
  std::size_t inputs() const { return inputs_; }
  std::size_t panels() const { return (outputs_ + panel_width_ - 1) / panel_width_; }
  std::size_t panel_width() const { return panel_width_; }
  bool rows_are_independent() const { return kernel_.multiply != nullptr; }
  std::size_t size_bytes() const;

 private:
  friend class PackedMatrixPeer;  // the tests of the two ways without a kernel

  void MultiplyByOpenBlas(Sgemm sgemm, const float* a, std::size_t a_stride, std::size_t rows,
                          std::size_t first, std::size_t columns, const float* bias, float* out,
                          std::size_t out_stride) const;
  void MultiplyByDots(const float* a, std::size_t a_stride, std::size_t rows, std::size_t first,
                      std::size_t columns, const float* bias, float* out,
                      std::size_t out_stride) const;
  // All of a product that this matrix decides.
  PanelProduct ProductWith(std::size_t panel) const;
  void SetShape(std::size_t outputs, std::size_t inputs);
  // value(output, input) -> what is stored of it, a byte, a bfloat16 or a float.
  template <typename Element, typename Value>
  void PackPanels(const Value& value, Element padding);

  const Kernels& kernels_;
  const Precision precision_;
  const PanelKernel kernel_;
  const std::size_t panel_width_;
  std::size_t outputs_ = 0;
  std::size_t inputs_ = 0;
  std::size_t groups_ = 0;
  AlignedBytes packed_;        // panels one after the other; W as it is, without a kernel
  std::vector<float> scales_;  // int8: one per output
  std::vector<float> sums_;    // int8: of the rounded weights of each output
  Parts parts_;                // what products read: the three above, or those of View
};

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_GEMM_H_
