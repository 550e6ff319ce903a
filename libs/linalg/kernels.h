// The inner loops everything numeric is built from, one table of functions per instruction set.
//
// A table is chosen once, at start, and handed to what needs it; no loop dispatches inside. The
// scalar table defines what each function means; the others agree with it within the bound each
// comment states. A result depends on the arguments and the table alone: never on alignment, on the
// thread, or on what was computed before.
#ifndef RAGMESH_LIBS_LINALG_KERNELS_H_
#define RAGMESH_LIBS_LINALG_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::linalg {

// Pointers need no alignment beyond their type's. Inputs and outputs must not overlap unless a
// comment allows it. NaN and infinity propagate as IEEE 754 says; denormals are not flushed.
struct Kernels {
  const char* name;  // "scalar", "avx2", "avx512"

  // Sum of a[i] * b[i]. Error: at most n * 2^-23 times the sum of |a[i] * b[i]|. 0 for n == 0.
  float (*dot)(const float* a, const float* b, std::size_t n);

  // out[r] = dot(query, rows + r * stride, n) for r < count, equal bit for bit to that call and
  // faster: the query stays in registers and the next rows are on their way from memory. `stride`
  // counts floats.
  void (*dot_rows)(const float* query, const float* rows, std::size_t stride, std::size_t count,
                   std::size_t n, float* out);

  // Sum of a[i] * b[i], exact. n is at most kMaxDotInt8.
  std::int32_t (*dot_i8)(const std::int8_t* a, const std::int8_t* b, std::size_t n);

  // y[i] += scale * x[i]. Error: one rounding, or two where the table has no fused multiply-add.
  void (*add_scaled)(float scale, const float* x, float* y, std::size_t n);

  // x[i] *= scale, exact to the last bit.
  void (*scale)(float scale, float* x, std::size_t n);

  // x[i] = exp(x[i] - max) / sum of those. Error: 2^-20 relative, for n up to 4096. Not finite in,
  // NaN out.
  void (*softmax)(float* x, std::size_t n);

  // x[i] = x[i] * Phi(x[i]), the exact (erf) form of GELU. Error: 2^-21 * (1 + |x[i]|).
  void (*gelu)(float* x, std::size_t n);

  // x = (x - mean) / sqrt(variance + epsilon) * gain + offset over n values. Error: 2^-18 * (|gain|
  // + |offset|) per value for inputs whose deviation is not tiny beside their mean.
  void (*layer_norm)(const float* gain, const float* offset, float epsilon, float* x,
                     std::size_t n);

  // One panel of a matrix product; PackedMatrix in gemm.h prepares panels and is what callers use.
  // out[r][c] = start + sum over i, ascending, of a[r * a_stride + i] * panel[i * panel_width + c]
  // for c < columns, where start is bias[c], or 0 when `bias` is null. A row's result does not
  // depend on the other rows. Null in tables that leave matrix products to OpenBLAS or to dot.
  void (*multiply_panel)(const float* a, std::size_t a_stride, std::size_t rows, std::size_t inputs,
                         const float* panel, const float* bias, std::size_t columns, float* out,
                         std::size_t out_stride);
  std::size_t panel_width;  // columns in a panel; 0 when there is no multiply_panel
};

// 2^31 / 128^2: more products of the largest magnitude would overflow 32 bits.
inline constexpr std::size_t kMaxDotInt8 = 131071;

// The fastest table this processor can run.
const Kernels& DefaultKernels();

// By name: "auto", "scalar", "avx2" or "avx512". INVALID_ARGUMENT on another name and on a table
// this processor cannot run. The table lives as long as the process.
absl::StatusOr<const Kernels*> SelectKernels(absl::string_view name);

// Every table this processor can run, scalar first, fastest last.
absl::Span<const Kernels* const> SupportedKernels();

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_KERNELS_H_
