// OpenBLAS, when it is installed and something needs it.
#ifndef RAGMESH_LIBS_LINALG_OPEN_BLAS_H_
#define RAGMESH_LIBS_LINALG_OPEN_BLAS_H_

#include <cblas.h>

namespace ragmesh::linalg {

using Sgemm = decltype(&cblas_sgemm);

// OpenBLAS's single-precision matrix product, kept to the calling thread; null where the library is
// not installed. Loaded by the first call rather than linked: it is larger than all else an image
// holds, and only a processor without kernels of ours has a use for it. Thread-safe.
Sgemm OpenBlasSgemm();

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_OPEN_BLAS_H_
