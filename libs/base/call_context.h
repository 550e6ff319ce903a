// The budget of one call: its deadline, its cancellation and its identity. Every function that may
// take time has `const CallContext& call` as its last parameter and checks it between units of
// work.
#ifndef RAGMESH_LIBS_BASE_CALL_CONTEXT_H_
#define RAGMESH_LIBS_BASE_CALL_CONTEXT_H_

#include <memory>
#include <string>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"

namespace ragmesh {

// A handle: copies share cancellation, deadline and identity. Thread-safe.
class CallContext {
 public:
  // Keeps a cancellation callback registered while it lives. Its destructor waits for the callback
  // when that is running on another thread, so what the callback uses may be destroyed afterwards.
  class Registration {
   public:
    Registration() = default;
    ~Registration();
    Registration(Registration&&) noexcept = default;
    Registration& operator=(Registration&& other) noexcept;

   private:
    friend class CallContext;
    struct Entry;
    std::shared_ptr<Entry> entry_;
  };

  // `trace_parent` is a W3C traceparent value, empty when the caller sent none.
  explicit CallContext(absl::Time deadline, std::string trace_parent = "",
                       const Clock& clock = Clock::Real());

  // A context that is cancelled with this one, has the same identity, and ends at the earlier of
  // both deadlines. Cancelling the child leaves the parent alone.
  CallContext Child(absl::Time deadline) const;

  absl::Time deadline() const;
  absl::Duration Remaining() const;  // never negative
  const std::string& trace_parent() const;

  bool cancelled() const;
  void Cancel() const;

  // OK, CANCELLED, or DEADLINE_EXCEEDED.
  absl::Status Check() const;

  // Runs `callback` once on cancellation, on the cancelling thread; at once when already cancelled.
  // A passing deadline does not run it. The callback must not block and must not destroy its own
  // Registration.
  [[nodiscard]] Registration OnCancel(absl::AnyInvocable<void()> callback) const;

 private:
  struct State;
  explicit CallContext(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_BASE_CALL_CONTEXT_H_
