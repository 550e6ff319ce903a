#include "libs/quant/kernels.h"

namespace ragmesh::quant {

const QuantKernels* FindQuantKernels(absl::string_view name) {
  if (name == "scalar") return &ScalarQuantKernels();
  for (const QuantKernels* table :
       {AmxQuantKernels(), Avx512Bf16QuantKernels(), Avx512QuantKernels(), Avx2QuantKernels()}) {
    if (table != nullptr && (name.empty() || name == table->name)) return table;
  }
  return name.empty() ? &ScalarQuantKernels() : nullptr;
}

}  // namespace ragmesh::quant
