#include "libs/linalg/cpu_features.h"

#if defined(__x86_64__)
#include <asm/prctl.h>
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace ragmesh::linalg {
namespace {

#if defined(__x86_64__)
// Whether the processor has tile registers, for int8 and bfloat16, and this process gets them. They
// are so large that the kernel gives them only to a process that asks, once, for all of its
// threads; it refuses, among others, one that has a signal stack too small for them.
bool GetsTiles() {
  constexpr unsigned kBf16 = 1u << 22, kTile = 1u << 24, kInt8 = 1u << 25;
  constexpr unsigned kWanted = kBf16 | kTile | kInt8;
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) || (edx & kWanted) != kWanted) return false;
  constexpr unsigned kTileConfig = 17, kTileData = 18;  // bits of XCR0: what the kernel saves
  constexpr unsigned kSaved = 1u << kTileConfig | 1u << kTileData;
  unsigned low = 0, high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & kSaved) == kSaved && syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, kTileData) == 0;
}
#endif

CpuFeatures Detect() {
  CpuFeatures features;
#if defined(__x86_64__)
  // __builtin_cpu_supports also checks XCR0, so a feature the kernel does not save reads as absent.
  __builtin_cpu_init();
  features.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                  __builtin_cpu_supports("bmi2");
  features.avx512 = features.avx2 && __builtin_cpu_supports("avx512f") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
  features.avx512_vbmi = features.avx512 && __builtin_cpu_supports("avx512vbmi");
  features.avx512_vnni = features.avx512 && __builtin_cpu_supports("avx512vnni");
  features.avx512_bf16 = features.avx512 && __builtin_cpu_supports("avx512bf16") &&
                         __builtin_cpu_supports("avx512vbmi");
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (features.avx2 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx))
    features.avx_vnni = (eax >> 4) & 1;
  features.amx = features.avx512_vnni && features.avx512_bf16 && GetsTiles();
#elif defined(__aarch64__)
  features.neon_dotprod = (getauxval(AT_HWCAP) >> 20) & 1;  // HWCAP_ASIMDDP
#endif
  return features;
}

}  // namespace

const CpuFeatures& GetCpuFeatures() {
  static const CpuFeatures features = Detect();
  return features;
}

std::string ToString(const CpuFeatures& features) {
  std::string text;
  const auto add = [&text](bool present, const char* name) {
    if (present) text += (text.empty() ? "" : " ") + std::string(name);
  };
  add(features.avx2, "avx2");
  add(features.avx_vnni, "avx_vnni");
  add(features.avx512, "avx512");
  add(features.avx512_vbmi, "avx512_vbmi");
  add(features.avx512_vnni, "avx512_vnni");
  add(features.avx512_bf16, "avx512_bf16");
  add(features.amx, "amx");
  add(features.neon_dotprod, "neon_dotprod");
  return text.empty() ? "baseline" : text;
}

}  // namespace ragmesh::linalg
