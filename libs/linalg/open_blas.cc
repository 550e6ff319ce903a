#include "libs/linalg/open_blas.h"

#include <dlfcn.h>

namespace ragmesh::linalg {
namespace {

Sgemm Load() {
  void* const library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return nullptr;
  using SetThreads = decltype(&openblas_set_num_threads);
  const auto set_threads = reinterpret_cast<SetThreads>(dlsym(library, "openblas_set_num_threads"));
  const auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  if (set_threads == nullptr || sgemm == nullptr) return nullptr;
  // Parallelism is ours: one compute pool per process, one thread per product.
  set_threads(1);
  return sgemm;
}

}  // namespace

Sgemm OpenBlasSgemm() {
  static const Sgemm sgemm = Load();
  return sgemm;
}

}  // namespace ragmesh::linalg
