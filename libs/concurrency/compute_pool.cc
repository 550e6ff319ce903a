#include "libs/concurrency/compute_pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>

namespace ragmesh {
namespace {

// About 50 microseconds: longer than the serial steps between two loops of a forward pass, shorter
// than a time slice.
constexpr int kSpins = 2'000;

inline void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// futex(2) itself: std::atomic::wait and notify_all of libstdc++ 12 were measured to take 25
// microseconds to wake a sleeper, and at times to wake it with the next notification only; this
// takes 3.
void WaitWhile(const std::atomic<std::uint32_t>& word, std::uint32_t value) {
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
}
void WakeAll(const std::atomic<std::uint32_t>& word) {
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

ComputePool::ComputePool(int threads) {
  if (sched_getaffinity(0, sizeof(allowed_), &allowed_) != 0) CPU_ZERO(&allowed_);
  for (int i = 1; i < threads; ++i) {
    helpers_.emplace_back([this, i] { Help(i); });
    pthread_setname_np(helpers_.back().native_handle(), "compute-helper");
  }
}

ComputePool::~ComputePool() {
  stopping_.store(true);
  epoch_.fetch_add(1);
  WakeAll(epoch_);
  for (std::thread& helper : helpers_) helper.join();
}

void ComputePool::Run(std::size_t items, Work work) {
  if (helpers_.empty() || items <= 1) {
    for (std::size_t item = 0; item < items; ++item) work(item, 0);
    return;
  }
  work_.store(&work, std::memory_order_relaxed);
  items_.store(items, std::memory_order_relaxed);
  done_.store(0, std::memory_order_relaxed);
  const std::uint64_t loop = (state_.load(std::memory_order_relaxed) >> 32) + 1;
  state_.store(loop << 32 | items, std::memory_order_release);
  KeepHelpersOff(sched_getcpu());
  // Sequentially consistent, as in Help(): either a helper that goes to sleep sees the new epoch,
  // or this sees the helper.
  epoch_.fetch_add(1);
  if (sleepers_.load() > 0) WakeAll(epoch_);
  while (RunOneItem(0)) {
  }
  for (int spins = 0; done_.load(std::memory_order_acquire) < items; ++spins) {
    if (spins < kSpins) {
      Pause();
    } else {
      sched_yield();
    }
  }
}

void ComputePool::KeepHelpersOff(int processor) {
  if (processor == avoided_ || processor < 0 || CPU_COUNT(&allowed_) < 2) return;
  avoided_ = processor;
  cpu_set_t others = allowed_;
  CPU_CLR(static_cast<std::size_t>(processor), &others);
  for (std::thread& helper : helpers_)
    pthread_setaffinity_np(helper.native_handle(), sizeof(others), &others);
}

bool ComputePool::RunOneItem(int thread) {
  std::uint64_t state = state_.load(std::memory_order_acquire);
  do {
    if ((state & 0xffffffffu) == 0) return false;
  } while (!state_.compare_exchange_weak(state, state - 1, std::memory_order_acq_rel,
                                         std::memory_order_acquire));
  // The item is ours, so Run() has not returned and these still belong to its loop.
  const std::size_t item = items_.load(std::memory_order_relaxed) - (state & 0xffffffffu);
  (*work_.load(std::memory_order_relaxed))(item, thread);
  done_.fetch_add(1, std::memory_order_acq_rel);
  return true;
}

void ComputePool::Help(int thread) {
  while (true) {
    const std::uint32_t epoch = epoch_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    for (int spins = 0; spins < kSpins; ++spins) {
      if (RunOneItem(thread)) {
        spins = 0;
      } else {
        Pause();
      }
    }
    sleepers_.fetch_add(1);
    if (epoch_.load() == epoch) WaitWhile(epoch_, epoch);
    sleepers_.fetch_sub(1);
  }
}

}  // namespace ragmesh
