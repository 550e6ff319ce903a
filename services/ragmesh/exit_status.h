// How a command ends: one exit status per class of outcome, and errors that say what to do.
#ifndef RAGMESH_SERVICES_RAGMESH_EXIT_STATUS_H_
#define RAGMESH_SERVICES_RAGMESH_EXIT_STATUS_H_

#include "absl/status/status.h"

namespace ragmesh::cli {

// Documented in docs/operations.md; scripts rely on the numbers.
enum ExitStatus : int {
  kOk = 0,
  kInternalError = 1,
  kUsage = 2,         // wrong flag or argument, INVALID_ARGUMENT
  kMissing = 3,       // NOT_FOUND
  kUnreachable = 4,   // UNAVAILABLE: no server, or a stage or model is absent
  kRefused = 5,       // limits, permissions, wrong state
  kPartlyFailed = 6,  // some documents failed
  kTimedOut = 7,      // DEADLINE_EXCEEDED, CANCELLED
  kNothingFound = 8,  // the question has no answer in the documents
  kDamaged = 9,       // DATA_LOSS: stored data that does not check out
};

ExitStatus ExitStatusOf(const absl::Status& status);

// Prints `status` to stderr, as a JSON object when `json`, and returns its exit status.
ExitStatus Fail(const absl::Status& status, bool json);

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_EXIT_STATUS_H_
