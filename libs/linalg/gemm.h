// Matrix products against a matrix that is prepared once and used often: a layer's weights, or the
// keys of a text.
#ifndef RAGMESH_LIBS_LINALG_GEMM_H_
#define RAGMESH_LIBS_LINALG_GEMM_H_

#include <cstddef>
#include <vector>

#include "libs/linalg/kernels.h"
#include "libs/linalg/open_blas.h"

namespace ragmesh::linalg {

// Holds W, `outputs` x `inputs`, in the order the kernel reads it. With a table that has
// multiply_panel, a row of the product depends on that row of the input alone, bit for bit,
// whatever the number of rows. Otherwise OpenBLAS does the work where it is installed; then a row
// may differ in the last bits between products of different height, so callers that promise
// independence multiply one text at a time. Without it, dot products do, slowly.
//
// Multiply is thread-safe; Pack is not.
class PackedMatrix {
 public:
  explicit PackedMatrix(const Kernels& kernels) : kernels_(&kernels) {}

  // Takes W[o][i] = weights[o * output_stride + i * input_stride]. Reuses memory when packed again.
  void Pack(const float* weights, std::size_t outputs, std::size_t inputs,
            std::size_t output_stride, std::size_t input_stride);

  // out[r * out_stride + o] = bias[o] + sum over i of a[r * a_stride + i] * W[o][i] for r < rows.
  // `bias` may be null. Strides count floats; `out` must not overlap `a`.
  void Multiply(const float* a, std::size_t a_stride, std::size_t rows, const float* bias,
                float* out, std::size_t out_stride) const;

  std::size_t outputs() const { return outputs_; }
  std::size_t inputs() const { return inputs_; }

 private:
  friend class PackedMatrixPeer;  // the tests of the two ways without multiply_panel

  void MultiplyByOpenBlas(Sgemm sgemm, const float* a, std::size_t a_stride, std::size_t rows,
                          const float* bias, float* out, std::size_t out_stride) const;
  void MultiplyByDots(const float* a, std::size_t a_stride, std::size_t rows, const float* bias,
                      float* out, std::size_t out_stride) const;

  const Kernels* kernels_;
  std::size_t outputs_ = 0;
  std::size_t inputs_ = 0;
  std::vector<float> packed_;  // panels of panel_width outputs, each input-major; or W as it is,
                               // without multiply_panel
};

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_GEMM_H_
