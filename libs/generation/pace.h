// How fast an engine has been lately, to tell what can be done in time.
#ifndef RAGMESH_LIBS_GENERATION_PACE_H_
#define RAGMESH_LIBS_GENERATION_PACE_H_

#include <algorithm>
#include <cstddef>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace ragmesh::generation {

// Means over the last few observations. All it tells is zero until there has been one. Not
// thread-safe.
class Pace {
 public:
  // A pass over so many rows of prompts took so long.
  void LearnPass(std::size_t rows, absl::Duration took) {
    Learn(took / static_cast<double>(rows), &row_);
  }
  // A stream had its place for so long.
  void LearnStream(absl::Duration took) { Learn(took, &stream_); }

  absl::Duration Reading(std::size_t rows) const { return row_ * static_cast<double>(rows); }
  // Until one that has `ahead` before it in the queue begins, where `places` streams run and all
  // places are taken.
  absl::Duration Waiting(std::size_t ahead, std::size_t places) const {
    return stream_ * ((static_cast<double>(ahead) + 0.5) / static_cast<double>(places));
  }

 private:
  static void Learn(absl::Duration seen, absl::Duration* mean) {
    *mean = *mean > absl::ZeroDuration() ? 0.75 * *mean + 0.25 * seen : seen;
  }

  absl::Duration row_, stream_;
};

// RESOURCE_EXHAUSTED / DEADLINE_TOO_SHORT when a call that has `remaining` cannot wait and read as
// long as this; OK when it may. Means are wrong at times, so no call is refused that could be in
// time if all went twice as fast.
absl::Status CheckInTime(absl::Duration waiting, absl::Duration reading, absl::Duration remaining);

// After which a call that finds the queue full may find a place.
absl::Duration RetryAfter(absl::Duration waiting);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PACE_H_
