#include "libs/concurrency/for_each_part.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "absl/synchronization/mutex.h"

namespace ragmesh {
namespace {

// Outlives the call, for helpers that come too late; they find no part and leave `work` alone.
struct Loop {
  Loop(std::size_t c, std::size_t p, absl::FunctionRef<void(std::size_t, std::size_t)> w)
      : count(c), part(p), work(w) {}

  void Work() {
    std::size_t taken = 0;
    for (std::size_t begin; (begin = next.fetch_add(part)) < count;) {
      const std::size_t end = std::min(count, begin + part);
      work(begin, end);
      taken += end - begin;
    }
    if (taken == 0) return;
    absl::MutexLock lock(&mutex);
    done += taken;
  }
  bool AllDone() const ABSL_SHARED_LOCKS_REQUIRED(mutex) { return done == count; }

  const std::size_t count, part;
  const absl::FunctionRef<void(std::size_t, std::size_t)> work;
  std::atomic<std::size_t> next{0};
  mutable absl::Mutex mutex;
  std::size_t done ABSL_GUARDED_BY(mutex) = 0;
};

}  // namespace

void ForEachPart(Executor* executor, int helpers, std::size_t count, std::size_t part,
                 absl::FunctionRef<void(std::size_t begin, std::size_t end)> work) {
  const auto loop = std::make_shared<Loop>(count, std::max<std::size_t>(part, 1), work);
  const auto parts =
      static_cast<int>(std::min<std::size_t>((count + loop->part - 1) / loop->part, 1024));
  for (int i = 0; executor != nullptr && i < std::min(helpers, parts - 1); ++i) {
    if (!executor->TrySubmit([loop] { loop->Work(); })) break;
  }
  loop->Work();
  absl::MutexLock lock(&loop->mutex);
  loop->mutex.Await(absl::Condition(loop.get(), &Loop::AllDone));
}

}  // namespace ragmesh
