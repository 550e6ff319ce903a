#include "libs/linalg/quant_kernels.h"

namespace ragmesh::linalg {

const QuantKernels* FindQuantKernels(absl::string_view name) {
  if (name == "scalar") return &ScalarQuantKernels();
  if (name == "avx2") return Avx2QuantKernels();
  if (!name.empty()) return nullptr;
  const QuantKernels* avx2 = Avx2QuantKernels();
  return avx2 != nullptr ? avx2 : &ScalarQuantKernels();
}

}  // namespace ragmesh::linalg
