// What the processor offers, asked once. Kernels are chosen from this at start, never at build
// time.
#ifndef RAGMESH_LIBS_LINALG_CPU_FEATURES_H_
#define RAGMESH_LIBS_LINALG_CPU_FEATURES_H_

#include <string>

namespace ragmesh::linalg {

struct CpuFeatures {
  bool avx2 = false;         // with FMA, F16C and BMI2
  bool avx_vnni = false;     // 256-bit vpdpbusd without AVX-512
  bool avx512 = false;       // F, BW, DQ, VL
  bool avx512_vbmi = false;  // with all of avx512
  bool avx512_vnni = false;
  bool avx512_bf16 = false;  // with VBMI: Cooper Lake alone has the one without the other
  bool amx = false;          // tile registers for int8 and bfloat16, with all of AVX-512 above
  bool neon_dotprod = false;
};

// Of this machine; also false when the operating system does not save the wide registers.
const CpuFeatures& GetCpuFeatures();

// "avx2 avx_vnni", or "baseline" when there is none of them.
std::string ToString(const CpuFeatures& features);

}  // namespace ragmesh::linalg

#endif  // RAGMESH_LIBS_LINALG_CPU_FEATURES_H_
