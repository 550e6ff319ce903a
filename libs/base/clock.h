// The seam for time. Everything that waits or stamps takes a Clock; tests pass testing::FakeClock.
#ifndef RAGMESH_LIBS_BASE_CLOCK_H_
#define RAGMESH_LIBS_BASE_CLOCK_H_

#include "absl/time/time.h"

namespace ragmesh {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  // The machine's clock; lives as long as the process.
  static const Clock& Real();
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_BASE_CLOCK_H_
