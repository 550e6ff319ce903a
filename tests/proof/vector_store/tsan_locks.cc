// Tells the thread sanitizer of abseil's locks. Debian's abseil is not built for it, so without
// this no lock is seen and nearly everything looks like a race. Preloaded into tests: each function
// here takes the place of abseil's, which it calls.
#include <dlfcn.h>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

// Of the sanitizer, which the test has: what came before a release of `address` comes before what
// follows an acquire of it.
extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}

namespace {

// A condition, which any thread that has the mutex may ask for the one that waits.
struct Seen {
  void* mutex;
  const absl::Condition* condition;
  bool Holds() const {
    __tsan_acquire(mutex);
    const bool holds = condition->Eval();
    __tsan_release(mutex);
    return holds;
  }
};

template <typename Function>
Function Abseils(const char* symbol) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, symbol));
}

}  // namespace

// Mangled names: absl::debian3 is the namespace of Debian 12's abseil.
#define RAGMESH_LOCK(name, symbol)                                                          \
  void Mutex::name() {                                                                      \
    static const auto abseils = Abseils<void (*)(Mutex*)>("_ZN4absl7debian35Mutex" symbol); \
    abseils(this);                                                                          \
    __tsan_acquire(this);                                                                   \
  }
#define RAGMESH_UNLOCK(name, symbol)                                                        \
  void Mutex::name() {                                                                      \
    static const auto abseils = Abseils<void (*)(Mutex*)>("_ZN4absl7debian35Mutex" symbol); \
    __tsan_release(this);                                                                   \
    abseils(this);                                                                          \
  }
#define RAGMESH_TRY_LOCK(name, symbol)                                                      \
  bool Mutex::name() {                                                                      \
    static const auto abseils = Abseils<bool (*)(Mutex*)>("_ZN4absl7debian35Mutex" symbol); \
    const bool locked = abseils(this);                                                      \
    if (locked) __tsan_acquire(this);                                                       \
    return locked;                                                                          \
  }
#define RAGMESH_WHEN(name, symbol)                                                    \
  void Mutex::name(const Condition& condition) {                                      \
    static const auto abseils =                                                       \
        Abseils<void (*)(Mutex*, const Condition&)>("_ZN4absl7debian35Mutex" symbol); \
    const Seen seen{this, &condition};                                                \
    __tsan_release(this);                                                             \
    abseils(this, Condition(&seen, &Seen::Holds));                                    \
    __tsan_acquire(this);                                                             \
  }
#define RAGMESH_WHEN_UNTIL(name, Until, symbol)                                              \
  bool Mutex::name(const Condition& condition, Until until) {                                \
    static const auto abseils =                                                              \
        Abseils<bool (*)(Mutex*, const Condition&, Until)>("_ZN4absl7debian35Mutex" symbol); \
    const Seen seen{this, &condition};                                                       \
    __tsan_release(this);                                                                    \
    const bool holds = abseils(this, Condition(&seen, &Seen::Holds), until);                 \
    __tsan_acquire(this);                                                                    \
    return holds;                                                                            \
  }
#define RAGMESH_SIGNALLED_UNTIL(name, Until, symbol)                                   \
  bool CondVar::name(Mutex* mutex, Until until) {                                      \
    static const auto abseils =                                                        \
        Abseils<bool (*)(CondVar*, Mutex*, Until)>("_ZN4absl7debian37CondVar" symbol); \
    __tsan_release(mutex);                                                             \
    const bool late = abseils(this, mutex, until);                                     \
    __tsan_acquire(mutex);                                                             \
    return late;                                                                       \
  }
#define RAGMESH_NOTIFIED_UNTIL(name, Until, symbol)                                              \
  bool Notification::name(Until until) const {                                                   \
    static const auto abseils =                                                                  \
        Abseils<bool (*)(const Notification*, Until)>("_ZNK4absl7debian312Notification" symbol); \
    const bool notified = abseils(this, until);                                                  \
    if (notified) __tsan_acquire(const_cast<Notification*>(this));                               \
    return notified;                                                                             \
  }

namespace absl {
ABSL_NAMESPACE_BEGIN

RAGMESH_LOCK(Lock, "4LockEv")
RAGMESH_LOCK(ReaderLock, "10ReaderLockEv")
RAGMESH_UNLOCK(Unlock, "6UnlockEv")
RAGMESH_UNLOCK(ReaderUnlock, "12ReaderUnlockEv")
RAGMESH_TRY_LOCK(TryLock, "7TryLockEv")
RAGMESH_TRY_LOCK(ReaderTryLock, "13ReaderTryLockEv")
RAGMESH_WHEN(Await, "5AwaitERKNS0_9ConditionE")
RAGMESH_WHEN(LockWhen, "8LockWhenERKNS0_9ConditionE")
RAGMESH_WHEN(ReaderLockWhen, "14ReaderLockWhenERKNS0_9ConditionE")
RAGMESH_WHEN_UNTIL(AwaitWithTimeout, Duration, "16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE")
RAGMESH_WHEN_UNTIL(AwaitWithDeadline, Time, "17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE")
RAGMESH_WHEN_UNTIL(LockWhenWithTimeout, Duration,
                   "19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE")
RAGMESH_WHEN_UNTIL(LockWhenWithDeadline, Time, "20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE")
RAGMESH_WHEN_UNTIL(ReaderLockWhenWithTimeout, Duration,
                   "25ReaderLockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE")
RAGMESH_WHEN_UNTIL(ReaderLockWhenWithDeadline, Time,
                   "26ReaderLockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE")
RAGMESH_SIGNALLED_UNTIL(WaitWithTimeout, Duration, "15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE")
RAGMESH_SIGNALLED_UNTIL(WaitWithDeadline, Time, "16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE")
RAGMESH_NOTIFIED_UNTIL(WaitForNotificationWithTimeout, Duration,
                       "30WaitForNotificationWithTimeoutENS0_8DurationE")
RAGMESH_NOTIFIED_UNTIL(WaitForNotificationWithDeadline, Time,
                       "31WaitForNotificationWithDeadlineENS0_4TimeE")

void CondVar::Wait(Mutex* mutex) {
  static const auto abseils =
      Abseils<void (*)(CondVar*, Mutex*)>("_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE");
  __tsan_release(mutex);
  abseils(this, mutex);
  __tsan_acquire(mutex);
}

void Notification::Notify() {
  static const auto abseils =
      Abseils<void (*)(Notification*)>("_ZN4absl7debian312Notification6NotifyEv");
  __tsan_release(this);
  abseils(this);
}

void Notification::WaitForNotification() const {
  static const auto abseils = Abseils<void (*)(const Notification*)>(
      "_ZNK4absl7debian312Notification19WaitForNotificationEv");
  abseils(this);
  __tsan_acquire(const_cast<Notification*>(this));
}

ABSL_NAMESPACE_END
}  // namespace absl
