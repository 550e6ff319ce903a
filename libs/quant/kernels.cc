#include "libs/quant/kernels.h"

#include <vector>

namespace ragmesh::quant {

void CopyTurned(const QuantKernels& table, const KvCopy& copy) {
  const bool in_pairs =
      copy.type == KvType::kBF16 && copy.head_dim % 2 == 0 && (!copy.halves || copy.half % 2 == 0);
  if (in_pairs && table.copy_pairs != nullptr) return table.copy_pairs(copy);
  std::vector<float> key(copy.head_dim), value(copy.head_dim);
  for (std::size_t i = 0; i < copy.count; ++i) {
    table.load_kv(copy.type, copy.from, copy.from_slot + i, copy.head_dim, key.data(),
                  value.data());
    table.rotate(copy.cosines, copy.sines, copy.half, copy.halves, key.data());
    table.store_kv(copy.type, key.data(), value.data(), copy.head_dim, copy.to_slot + i, copy.to);
  }
}

const QuantKernels* FindQuantKernels(absl::string_view name) {
  if (name == "scalar") return &ScalarQuantKernels();
  for (const QuantKernels* table :
       {AmxQuantKernels(), Avx512Bf16QuantKernels(), Avx512QuantKernels(), Avx2QuantKernels()}) {
    if (table != nullptr && (name.empty() || name == table->name)) return table;
  }
  return name.empty() ? &ScalarQuantKernels() : nullptr;
}

}  // namespace ragmesh::quant
