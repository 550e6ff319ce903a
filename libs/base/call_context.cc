#include "libs/base/call_context.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace ragmesh {

// `mutex` is held while the callback runs, which is what makes ~Registration wait for it.
struct CallContext::Registration::Entry {
  explicit Entry(absl::AnyInvocable<void()> c) : callback(std::move(c)) {}

  absl::Mutex mutex;
  absl::AnyInvocable<void()> callback ABSL_GUARDED_BY(mutex);
  std::atomic<std::thread::id> running_on{};

  void Run() {
    absl::MutexLock lock(&mutex);
    if (!callback) return;
    running_on.store(std::this_thread::get_id());
    std::exchange(callback, nullptr)();
    running_on.store(std::thread::id());
  }
};

struct CallContext::State {
  State(absl::Time deadline, std::string trace_parent, const Clock& clock)
      : deadline(deadline), trace_parent(std::move(trace_parent)), clock(clock) {}

  const absl::Time deadline;
  const std::string trace_parent;
  const Clock& clock;
  std::atomic<bool> cancelled{false};
  absl::Mutex mutex;
  std::vector<std::weak_ptr<Registration::Entry>> entries ABSL_GUARDED_BY(mutex);
  Registration parent;  // keeps a child cancelled with its parent
};

CallContext::Registration::~Registration() {
  if (entry_ == nullptr) return;
  // The callback itself may drop the last handle of a child, and with it this registration; there
  // is nothing to wait for.
  if (entry_->running_on.load() == std::this_thread::get_id()) return;
  absl::MutexLock lock(&entry_->mutex);
  entry_->callback = nullptr;
}

CallContext::Registration& CallContext::Registration::operator=(Registration&& other) noexcept {
  std::swap(entry_, other.entry_);
  return *this;
}

CallContext::CallContext(absl::Time deadline, std::string trace_parent, const Clock& clock)
    : state_(std::make_shared<State>(deadline, std::move(trace_parent), clock)) {}

CallContext CallContext::Child(absl::Time deadline) const {
  auto state = std::make_shared<State>(std::min(deadline, state_->deadline), state_->trace_parent,
                                       state_->clock);
  std::weak_ptr<State> weak = state;
  state->parent = OnCancel([weak] {
    if (auto child = weak.lock()) CallContext(child).Cancel();
  });
  return CallContext(std::move(state));
}

absl::Time CallContext::deadline() const { return state_->deadline; }

absl::Duration CallContext::Remaining() const {
  return std::max(absl::ZeroDuration(), state_->deadline - state_->clock.Now());
}

const std::string& CallContext::trace_parent() const { return state_->trace_parent; }

bool CallContext::cancelled() const { return state_->cancelled.load(std::memory_order_acquire); }

void CallContext::Cancel() const {
  std::vector<std::weak_ptr<Registration::Entry>> entries;
  {
    absl::MutexLock lock(&state_->mutex);
    if (state_->cancelled.exchange(true)) return;
    entries.swap(state_->entries);
  }
  for (const auto& weak : entries) {
    if (auto entry = weak.lock()) entry->Run();
  }
}

absl::Status CallContext::Check() const {
  if (cancelled()) return absl::CancelledError("the caller cancelled the call");
  if (state_->clock.Now() >= state_->deadline) {
    return absl::DeadlineExceededError("the deadline of the call has passed");
  }
  return absl::OkStatus();
}

CallContext::Registration CallContext::OnCancel(absl::AnyInvocable<void()> callback) const {
  auto entry = std::make_shared<Registration::Entry>(std::move(callback));
  bool run_now = false;
  {
    absl::MutexLock lock(&state_->mutex);
    run_now = state_->cancelled.load();
    if (!run_now) {
      auto& entries = state_->entries;
      entries.erase(std::remove_if(entries.begin(), entries.end(),
                                   [](const auto& weak) { return weak.expired(); }),
                    entries.end());
      entries.push_back(entry);
    }
  }
  if (run_now) entry->Run();
  Registration registration;
  registration.entry_ = std::move(entry);
  return registration;
}

}  // namespace ragmesh
