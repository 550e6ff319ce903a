// The tables by instruction set. Only kernels.cc and the files that define them include this.
#ifndef RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_
#define RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_

#include "libs/linalg/kernels.h"

namespace ragmesh::linalg {

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;    // needs CpuFeatures::avx2
extern const Kernels kAvx512Kernels;  // needs CpuFeatures::avx512

// The parts of those tables that have files of their own.
namespace avx2 {
void Softmax(float* x, std::size_t n);
void Gelu(float* x, std::size_t n);
void LayerNorm(const float* gain, const float* offset, float epsilon, float* x, std::size_t n);
void MultiplyPanel(const float* a, std::size_t a_stride, std::size_t rows, std::size_t inputs,
                   const float* panel, const float* bias, std::size_t columns, float* out,
                   std::size_t out_stride);
}  // namespace avx2
namespace avx512 {
void Softmax(float* x, std::size_t n);
void Gelu(float* x, std::size_t n);
void LayerNorm(const float* gain, const float* offset, float epsilon, float* x, std::size_t n);
void MultiplyPanel(const float* a, std::size_t a_stride, std::size_t rows, std::size_t inputs,
                   const float* panel, const float* bias, std::size_t columns, float* out,
                   std::size_t out_stride);
}  // namespace avx512
#endif

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_
