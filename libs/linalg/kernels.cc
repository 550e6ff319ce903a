#include "libs/linalg/kernels.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/linalg/cpu_features.h"
#include "libs/linalg/kernel_tables.h"

namespace ragmesh::linalg {
namespace {

// Tables that this build has for some processor.
constexpr absl::string_view kNames[] = {"scalar", "avx2",        "avx2-vnni",
                                        "avx512", "avx512-vnni", "avx512-bf16",
                                        "amx",    "neon",        "neon-dotprod"};

std::vector<const Kernels*> FindSupported() {
  std::vector<const Kernels*> tables = {&kScalarKernels};
#if defined(__x86_64__)
  if (GetCpuFeatures().avx2) tables.push_back(&kAvx2Kernels);
  if (GetCpuFeatures().avx_vnni) tables.push_back(&kAvx2VnniKernels);
  if (GetCpuFeatures().avx512) tables.push_back(&kAvx512Kernels);
  if (GetCpuFeatures().avx512_vnni) tables.push_back(&kAvx512VnniKernels);
  if (GetCpuFeatures().avx512_vnni && GetCpuFeatures().avx512_bf16)
    tables.push_back(&kAvx512Bf16Kernels);
  if (GetCpuFeatures().amx) tables.push_back(&kAmxKernels);
#elif defined(__aarch64__)
  tables.push_back(&kNeonKernels);
  if (GetCpuFeatures().neon_dotprod) tables.push_back(&kNeonDotprodKernels);
#endif
  return tables;
}

std::string SupportedNames() {
  std::string names = "auto";
  for (const Kernels* table : SupportedKernels()) absl::StrAppend(&names, ", ", table->name);
  return names;
}

}  // namespace

absl::Span<const Kernels* const> SupportedKernels() {
  static const auto& tables = *new std::vector<const Kernels*>(FindSupported());
  return tables;
}

const Kernels& DefaultKernels() { return *SupportedKernels().back(); }

absl::StatusOr<const Kernels*> SelectKernels(absl::string_view name) {
  if (name == "auto") return &DefaultKernels();
  for (const Kernels* table : SupportedKernels()) {
    if (name == table->name) return table;
  }
  const bool known = std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
  return InvalidField(
      "kernel",
      known ? absl::StrCat("\"", name, "\" cannot run on this processor, which offers ",
                           ToString(GetCpuFeatures()))
            : absl::StrCat("\"", name, "\" is not a known instruction set"),
      absl::StrCat("Use one of: ", SupportedNames(), "."));
}

}  // namespace ragmesh::linalg
