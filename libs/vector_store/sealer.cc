#include "libs/vector_store/sealer.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "libs/vector_store/give_way.h"

namespace ragmesh::vector_store {
namespace {

constexpr absl::Duration kRetry = absl::Seconds(5);  // after a failure, such as a full disk
constexpr int kNice = 19;

}  // namespace

Sealer::Sealer() : call_(absl::InfiniteFuture()), thread_([this] { Run(); }) {}

Sealer::~Sealer() {
  call_.Cancel();
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

void Sealer::Wake(std::weak_ptr<Sealable> sealable) {
  const auto is_same = [&sealable](const std::weak_ptr<Sealable>& other) {
    return !other.owner_before(sealable) && !sealable.owner_before(other);
  };
  absl::MutexLock lock(&mutex_);
  if (std::none_of(waiting_.begin(), waiting_.end(), is_same))
    waiting_.push_back(std::move(sealable));
}

bool Sealer::AwaitIdle(absl::Time deadline) const {
  const auto idle = [this]()
                        ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return waiting_.empty() && !busy_; };
  absl::MutexLock lock(&mutex_);
  return mutex_.AwaitWithDeadline(absl::Condition(&idle), deadline);
}

void Sealer::Run() {
  pthread_setname_np(pthread_self(), "sealer");
  GiveWay(kNice);
  const auto wanted = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !waiting_.empty();
  };
  const auto stops = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_; };
  while (true) {
    std::weak_ptr<Sealable> next;
    {
      absl::MutexLock lock(&mutex_);
      busy_ = false;
      mutex_.Await(absl::Condition(&wanted));
      if (stopping_) return;
      next = std::move(waiting_.front());
      waiting_.pop_front();
      busy_ = true;
    }
    const std::shared_ptr<Sealable> sealable = next.lock();
    if (sealable == nullptr) continue;
    const auto done = sealable->SealOnce(call_);
    if (done.ok() && !*done) continue;
    // Behind the others that wait.
    Wake(next);
    if (done.ok()) continue;
    absl::MutexLock lock(&mutex_);
    mutex_.AwaitWithTimeout(absl::Condition(&stops), kRetry);
  }
}

}  // namespace ragmesh::vector_store
