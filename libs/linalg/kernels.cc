#include "libs/linalg/kernels.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/linalg/cpu_features.h"
#include "libs/linalg/kernel_tables.h"

namespace ragmesh::linalg {
namespace {

std::vector<const Kernels*> FindSupported() {
  std::vector<const Kernels*> tables = {&kScalarKernels};
#if defined(__x86_64__)
  if (GetCpuFeatures().avx2) tables.push_back(&kAvx2Kernels);
  if (GetCpuFeatures().avx512) tables.push_back(&kAvx512Kernels);
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
  const bool known = name == "avx2" || name == "avx512";
  return InvalidField(
      "kernel",
      known ? absl::StrCat("\"", name, "\" cannot run on this processor, which offers ",
                           ToString(GetCpuFeatures()))
            : absl::StrCat("\"", name, "\" is not a known instruction set"),
      absl::StrCat("Use one of: ", SupportedNames(), "."));
}

}  // namespace ragmesh::linalg
