// The protocol of bench workers: one JSON request a line on stdin, one JSON answer a line on
// stdout. bench/peers/README.md describes the requests.
#ifndef RAGMESH_BENCH_WORKER_JSON_LINES_H_
#define RAGMESH_BENCH_WORKER_JSON_LINES_H_

#include <nlohmann/json.hpp>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"

namespace ragmesh::bench {

// Answers every request with what `answer` makes of its "op" and of the whole of it, until stdin
// ends or "quit" comes. A status, and a field that is missing or of the wrong kind, becomes
// {"error": ...}. Returns the exit status of the program.
int AnswerLines(absl::FunctionRef<absl::StatusOr<nlohmann::json>(const std::string& op,
                                                                 const nlohmann::json& request)>
                    answer);

// {"gops": [...]} of {"precision", "threads", "runs"}: MeasurePeak, once for each run.
absl::StatusOr<nlohmann::json> AnswerPeak(const nlohmann::json& request);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_WORKER_JSON_LINES_H_
