// Runs one program to its end, watched: no shell, no input, its last words kept.
#ifndef RAGMESH_LIBS_MODEL_STORE_SUBPROCESS_H_
#define RAGMESH_LIBS_MODEL_STORE_SUBPROCESS_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/call_context.h"

namespace ragmesh::model_store {

struct SubprocessResult {
  int exit_code = 0;        // 128 + N when signal N ended it
  std::string output_tail;  // the last 8 KiB of standard output and error together
};

// `arguments[0]` is looked up on PATH. `environment` is added to this process's own. `tick` runs
// about five times a second on the calling thread. When `call` ends, the program and what it
// started are killed, and the call's status is returned. NOT_FOUND when there is no such program.
absl::StatusOr<SubprocessResult> RunSubprocess(
    const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& environment,
    const std::function<void()>& tick, const CallContext& call);

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_SUBPROCESS_H_
