// The tables by instruction set. Only kernels.cc and the files that define them include this.
#ifndef RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_
#define RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_

#include "libs/linalg/kernels.h"

namespace ragmesh::linalg {

extern const Kernels kScalarKernels;
#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;    // needs CpuFeatures::avx2
extern const Kernels kAvx512Kernels;  // needs CpuFeatures::avx512
#endif

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_KERNEL_TABLES_H_
