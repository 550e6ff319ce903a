#include "libs/vector_store/write_queue.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/time/clock.h"

namespace ragmesh::vector_store {
namespace {

// A group that goes through in less is not worth waiting for others.
constexpr absl::Duration kWorthWaiting = absl::Microseconds(100);
// Of the time that a group takes, how much the leader may wait.
constexpr int kShareOfUsual = 2;
constexpr int kMostImpatient = 32;

}  // namespace

std::vector<WriteQueue::Entry*> WriteQueue::Join(Entry* entry) {
  {
    absl::MutexLock lock(&mutex_);
    waiting_.push_back(entry);
    if (!leading_) {
      leading_ = true;
      return Gather();
    }
    if (wanted_ > 0 && waiting_.size() >= wanted_) gathered_.Signal();
  }
  entry->turn.WaitForNotification();
  absl::MutexLock lock(&mutex_);
  if (entry->done) return {};
  return Gather();
}

std::vector<WriteQueue::Entry*> WriteQueue::Gather() {
  wanted_ = std::min(writers_, kMaxGroup);
  if (waiting_.size() < wanted_ && usual_ >= kWorthWaiting && impatient_-- <= 0) {
    const absl::Time deadline = absl::Now() + usual_ / kShareOfUsual;
    while (waiting_.size() < wanted_ && !gathered_.WaitWithDeadline(&mutex_, deadline)) {
    }
    in_vain_ = waiting_.size() < wanted_ ? std::min(2 * in_vain_ + 1, kMostImpatient) : 0;
    impatient_ = in_vain_;
  }
  wanted_ = 0;
  begun_ = absl::Now();
  return TakeGroup();
}

std::vector<WriteQueue::Entry*> WriteQueue::TakeGroup() {
  std::vector<Entry*> group;
  absl::flat_hash_set<std::uint64_t> touched;
  while (!waiting_.empty() && group.size() < kMaxGroup) {
    Entry* const entry = waiting_.front();
    if (!group.empty() &&
        (entry->alone || std::any_of(entry->touches.begin(), entry->touches.end(),
                                     [&](std::uint64_t name) { return touched.contains(name); })))
      break;
    group.push_back(entry);
    waiting_.pop_front();
    if (entry->alone) break;
    if (!waiting_.empty()) touched.insert(entry->touches.begin(), entry->touches.end());
  }
  return group;
}

void WriteQueue::Finish(absl::Span<Entry* const> group) {
  Entry* next = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration took = absl::Now() - begun_;
    usual_ = usual_ == absl::ZeroDuration() ? took : (usual_ * 7 + took) / 8;
    writers_ = group.size() + waiting_.size();
    for (Entry* const member : group) member->done = true;
    if (waiting_.empty()) {
      leading_ = false;
    } else {
      next = waiting_.front();
    }
  }
  if (next != nullptr) next->turn.Notify();
  // The first is the caller's own.
  for (Entry* const member : group.subspan(1)) member->turn.Notify();
}

}  // namespace ragmesh::vector_store
