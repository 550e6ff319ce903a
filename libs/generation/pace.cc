#include "libs/generation/pace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::generation {

void Pace::LearnPass(std::size_t rows, absl::Duration took) {
  Learn(took / static_cast<double>(rows), &row_);
}

void Pace::LearnStream(absl::Duration took) { Learn(took, &stream_); }

absl::Duration Pace::Reading(std::size_t rows) const {
  return Get(row_) * static_cast<double>(rows);
}

absl::Duration Pace::Waiting(std::size_t ahead, std::size_t places) const {
  return Get(stream_) * ((static_cast<double>(ahead) + 0.5) / static_cast<double>(places));
}

absl::Duration Pace::Get(const Mean& mean) const {
  return clock_.Now() - mean.seen <= mean.lasts ? mean.value : absl::ZeroDuration();
}

void Pace::Learn(absl::Duration seen, Mean* mean) const {
  const absl::Duration before = Get(*mean);
  mean->value = before > absl::ZeroDuration() ? 0.75 * before + 0.25 * seen : seen;
  mean->seen = clock_.Now();
}

absl::Status CheckInTime(absl::Duration waiting, absl::Duration reading, absl::Duration remaining) {
  if ((waiting + reading) / 2 <= remaining) return absl::OkStatus();
  const auto milliseconds = [](absl::Duration time) {
    return absl::StrCat(absl::ToInt64Milliseconds(time));
  };
  ErrorDetail detail = {.reason = "DEADLINE_TOO_SHORT",
                        .next_step = "Send a shorter prompt, or allow the call more time.",
                        .metadata = {{"waiting_ms", milliseconds(waiting)},
                                     {"reading_ms", milliseconds(reading)},
                                     {"remaining_ms", milliseconds(remaining)}}};
  // Where the prompt alone takes too long, the same call will not fare better.
  if (reading / 2 <= remaining) {
    detail.retry_after = RetryAfter(waiting);
    detail.next_step = "Retry when others have ended, or allow the call more time.";
  }
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat("the call has ", milliseconds(remaining), " ms, and is expected to wait ",
                   milliseconds(waiting), " ms and to read for ", milliseconds(reading), " ms"),
      detail);
}

absl::Duration RetryAfter(absl::Duration waiting) {
  if (waiting <= absl::ZeroDuration()) return absl::Seconds(1);
  return std::clamp(waiting, absl::Milliseconds(100), absl::Minutes(1));
}

}  // namespace ragmesh::generation
