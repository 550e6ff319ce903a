// How fast an engine has been lately, to tell what can be done in time.
#ifndef RAGMESH_LIBS_GENERATION_PACE_H_
#define RAGMESH_LIBS_GENERATION_PACE_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"

namespace ragmesh::generation {

// Means over the last few observations. All it tells is zero until there has been one, and again
// when the last one is old: an engine that was stopped for an hour must not go on refusing what it
// would no longer find out about. Not thread-safe; the clock outlives it.
class Pace {
 public:
  explicit Pace(const Clock& clock = Clock::Real()) : clock_(clock) {}

  // A pass over so many rows of prompts took so long.
  void LearnPass(std::size_t rows, absl::Duration took);
  // A stream had its place for so long.
  void LearnStream(absl::Duration took);

  absl::Duration Reading(std::size_t rows) const;
  // Until one that has `ahead` before it in the queue begins, where `places` streams run and all
  // places are taken.
  absl::Duration Waiting(std::size_t ahead, std::size_t places) const;

 private:
  struct Mean {
    const absl::Duration lasts;  // after the last observation
    absl::Duration value;
    absl::Time seen = absl::InfinitePast();
  };
  absl::Duration Get(const Mean& mean) const;
  void Learn(absl::Duration seen, Mean* mean) const;

  const Clock& clock_;
  Mean row_{.lasts = absl::Seconds(10)};
  Mean stream_{.lasts = absl::Minutes(1)};
};

// RESOURCE_EXHAUSTED / DEADLINE_TOO_SHORT when a call that has `remaining` cannot wait and read as
// long as this; OK when it may. Means are wrong at times, so no call is refused that could be in
// time if all went twice as fast.
absl::Status CheckInTime(absl::Duration waiting, absl::Duration reading, absl::Duration remaining);

// After which a call that finds the queue full may find a place.
absl::Duration RetryAfter(absl::Duration waiting);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PACE_H_
