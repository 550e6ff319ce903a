#include "libs/concurrency/thread_pool.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <fstream>
#include <utility>

namespace ragmesh {

ThreadPool::ThreadPool(std::string name, int threads, std::size_t max_queued)
    : max_queued_(std::max<std::size_t>(1, max_queued)), max_busy_(std::max(1, threads)) {
  name.resize(std::min<std::size_t>(name.size(), 15));
  for (int i = 0; i < max_busy_; ++i) {
    threads_.emplace_back([this] { Run(); });
    pthread_setname_np(threads_.back().native_handle(), name.c_str());
  }
}

ThreadPool::~ThreadPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
}

bool ThreadPool::TrySubmit(absl::AnyInvocable<void() &&> work) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || queue_.size() >= max_queued_) return false;
  queue_.push_back(std::move(work));
  return true;
}

bool ThreadPool::TryRunHere(absl::FunctionRef<void()> work) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping_ || busy_ == max_busy_ || !queue_.empty()) return false;
    ++busy_;
  }
  work();
  absl::MutexLock lock(&mutex_);
  --busy_;
  return true;
}

std::size_t ThreadPool::queue_depth() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

void ThreadPool::Run() {
  while (true) {
    absl::AnyInvocable<void() &&> work;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &ThreadPool::HasTurnOrStops));
      if (queue_.empty()) return;
      work = std::move(queue_.front());
      queue_.pop_front();
      ++busy_;
    }
    std::move(work)();
    work = nullptr;  // what it holds goes before its turn does
    absl::MutexLock lock(&mutex_);
    --busy_;
  }
}

int AvailableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  int cpus = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
  // cgroup v2 "max 100000" or "150000 100000"; v1 keeps quota and period in two files, quota -1
  // when unlimited.
  double quota = -1, period = 0;
  if (std::ifstream v2("/sys/fs/cgroup/cpu.max"); v2) {
    std::string first;
    if (v2 >> first >> period && first != "max") quota = std::atof(first.c_str());
  } else {
    std::ifstream v1_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
        v1_period("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (!(v1_quota >> quota) || !(v1_period >> period)) quota = -1;
  }
  if (quota > 0 && period > 0)
    cpus = std::min(cpus, static_cast<int>((quota + period - 1) / period));
  return std::max(1, cpus);
}

}  // namespace ragmesh
