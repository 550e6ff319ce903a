#include "bench/worker/bandwidth.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <thread>
#include <vector>

namespace ragmesh::bench {
namespace {

constexpr int kRounds = 9;
constexpr std::size_t kStep = 256;      // bytes of one turn of the loop: four sums hide its latency
constexpr std::size_t kAhead = 4096;    // the hardware's own prefetching ends at each page
constexpr std::size_t kPage = 2 << 20;  // few translations, as the decoder's weights have

using Line = std::uint64_t __attribute__((vector_size(64)));

// The sum keeps the loads from being left out.
std::uint64_t ReadAll(const char* begin, const char* end) {
  Line sums[4] = {};
  for (const char* at = begin; at < end; at += kStep) {
    for (std::size_t i = 0; i < 4; ++i) {
      __builtin_prefetch(at + kAhead + 64 * i);
      sums[i] += *reinterpret_cast<const Line*>(at + 64 * i);
    }
  }
  const Line sum = sums[0] + sums[1] + sums[2] + sums[3];
  return sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
}

}  // namespace

double MeasureReadBandwidth(std::size_t bytes, int threads) {
  const auto parts = static_cast<std::size_t>(threads);
  const std::size_t part = bytes / parts / kStep * kStep, size = part * parts;
  void* const memory = mmap(nullptr, size + kPage, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) return 0;
  const auto address = reinterpret_cast<std::uintptr_t>(memory);
  char* const block = static_cast<char*>(memory) + (kPage - address % kPage) % kPage;
  madvise(block, size, MADV_HUGEPAGE);
  std::fill_n(block, size, 1);  // else every page would be the same page of zeros

  std::atomic<int> arrived{0};
  std::atomic<std::uint64_t> sink{0};
  std::vector<double> seconds(kRounds);
  const auto read = [&](std::size_t index) {
    using Clock = std::chrono::steady_clock;
    // Rounds begin and end together: a thread that is done early would leave the others more.
    auto meet = [&arrived, threads, count = 0]() mutable {
      ++arrived;
      for (count += threads; arrived.load() < count;) std::this_thread::yield();
    };
    for (double& round : seconds) {
      meet();
      const auto begin = Clock::now();
      sink += ReadAll(block + index * part, block + (index + 1) * part);
      meet();
      if (index == 0) round = std::chrono::duration<double>(Clock::now() - begin).count();
    }
  };
  std::vector<std::thread> running;
  for (std::size_t t = 0; t < parts; ++t) running.emplace_back(read, t);
  for (std::thread& thread : running) thread.join();
  munmap(memory, size + kPage);
  return static_cast<double>(size) / *std::min_element(seconds.begin(), seconds.end()) / 1e9;
}

}  // namespace ragmesh::bench
