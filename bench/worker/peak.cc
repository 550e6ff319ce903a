#include "bench/worker/peak.h"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <vector>

#include "libs/linalg/cpu_features.h"

namespace ragmesh::bench {
namespace {

using linalg::Precision;

#if defined(__x86_64__)
// Sixteen independent sums hide the latency of the instruction on any processor.
#define RAGMESH_SIXTEEN(X) \
  X("0")                   \
  X("1")                   \
  X("2")                   \
  X("3") X("4") X("5") X("6") X("7") X("8") X("9") X("10") X("11") X("12") X("13") X("14") X("15")
#define RAGMESH_F32_512(c) "vfmadd231ps %%zmm30, %%zmm31, %%zmm" c "\n\t"
#define RAGMESH_BF16_512(c) "vdpbf16ps %%zmm30, %%zmm31, %%zmm" c "\n\t"
#define RAGMESH_INT8_512(c) "vpdpbusd %%zmm30, %%zmm31, %%zmm" c "\n\t"
#define RAGMESH_F32_256(c) "vfmadd231ps %%ymm" c ", %%ymm" c ", %%ymm" c "\n\t"
#define RAGMESH_INT8_256(c) "%{vex%} vpdpbusd %%ymm" c ", %%ymm" c ", %%ymm" c "\n\t"
#define RAGMESH_CLEAR_512(c) "vpxord %%zmm" c ", %%zmm" c ", %%zmm" c "\n\t"
#define RAGMESH_CLEAR_256(c) "vpxor %%ymm" c ", %%ymm" c ", %%ymm" c "\n\t"
#define RAGMESH_LOOP(name, clear, more, step, target_name, ...)                                  \
  __attribute__((target(target_name))) void name(std::size_t times) {                            \
    asm volatile(RAGMESH_SIXTEEN(clear) more "1:\n\t" RAGMESH_SIXTEEN(step)                      \
                     RAGMESH_SIXTEEN(step) "dec %0\n\tjnz 1b\n\t"                                \
                 : "+r"(times)                                                                   \
                 :                                                                               \
                 : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", \
                   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" __VA_ARGS__);    \
  }
#define RAGMESH_MORE RAGMESH_CLEAR_512("30") RAGMESH_CLEAR_512("31")
RAGMESH_LOOP(LoopF32, RAGMESH_CLEAR_512, RAGMESH_MORE, RAGMESH_F32_512, "avx512f", , "xmm30",
             "xmm31")
RAGMESH_LOOP(LoopBf16, RAGMESH_CLEAR_512, RAGMESH_MORE, RAGMESH_BF16_512, "avx512f", , "xmm30",
             "xmm31")
RAGMESH_LOOP(LoopInt8, RAGMESH_CLEAR_512, RAGMESH_MORE, RAGMESH_INT8_512, "avx512f", , "xmm30",
             "xmm31")
RAGMESH_LOOP(LoopF32Narrow, RAGMESH_CLEAR_256, "", RAGMESH_F32_256, "avx2")
RAGMESH_LOOP(LoopInt8Narrow, RAGMESH_CLEAR_256, "", RAGMESH_INT8_256, "avx2")
#endif

struct Loop {
  void (*run)(std::size_t times) = nullptr;
  double operations = 0;  // of one time: 32 instructions, each with a multiply-add in every lane
};

Loop LoopFor(Precision precision) {
#if defined(__x86_64__)
  const linalg::CpuFeatures& cpu = linalg::GetCpuFeatures();
  const double wide = 32 * 2 * 16, narrow = 32 * 2 * 8;
  if (precision == Precision::kF32 && cpu.avx512) return {LoopF32, wide};
  if (precision == Precision::kBf16 && cpu.avx512_bf16) return {LoopBf16, 2 * wide};
  if (precision == Precision::kInt8 && cpu.avx512_vnni) return {LoopInt8, 4 * wide};
  if (precision == Precision::kF32 && cpu.avx2) return {LoopF32Narrow, narrow};
  if (precision == Precision::kInt8 && cpu.avx_vnni) return {LoopInt8Narrow, 4 * narrow};
#endif
  return {};
}

}  // namespace

double MeasurePeak(Precision precision, int threads) {
  const Loop loop = LoopFor(precision);
  if (loop.run == nullptr) return 0;
  constexpr std::size_t kTimes = 10'000;
  std::atomic<int> ready{0};
  std::atomic<double> rate{0};
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t) {
    running.emplace_back([&] {
      using Clock = std::chrono::steady_clock;
      loop.run(kTimes);  // until the processor has its speed for wide instructions
      ++ready;
      while (ready.load() < threads) std::this_thread::yield();
      const auto begin = Clock::now();
      double seconds = 0, operations = 0;
      while (seconds < 0.05) {
        loop.run(kTimes);
        operations += loop.operations * kTimes;
        seconds = std::chrono::duration<double>(Clock::now() - begin).count();
      }
      double sum = rate.load();
      while (!rate.compare_exchange_weak(sum, sum + operations / seconds / 1e9)) {
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  return rate.load();
}

}  // namespace ragmesh::bench
