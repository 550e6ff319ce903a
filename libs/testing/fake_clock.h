// A clock that stands still until the test moves it. Thread-safe.
#ifndef RAGMESH_LIBS_TESTING_FAKE_CLOCK_H_
#define RAGMESH_LIBS_TESTING_FAKE_CLOCK_H_

#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"

namespace ragmesh::testing {

class FakeClock final : public Clock {
 public:
  explicit FakeClock(absl::Time start = absl::FromUnixSeconds(1'700'000'000)) : now_(start) {}

  absl::Time Now() const override {
    absl::MutexLock lock(&mutex_);
    return now_;
  }
  void Advance(absl::Duration by) {
    absl::MutexLock lock(&mutex_);
    now_ += by;
  }

 private:
  mutable absl::Mutex mutex_;
  absl::Time now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_LIBS_TESTING_FAKE_CLOCK_H_
