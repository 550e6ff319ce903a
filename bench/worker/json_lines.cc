#include "bench/worker/json_lines.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "bench/worker/peak.h"

namespace ragmesh::bench {

using nlohmann::json;

int AnswerLines(
    absl::FunctionRef<absl::StatusOr<json>(const std::string& op, const json& request)> answer) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);  // as StageHost does
  std::string line;
  while (std::getline(std::cin, line)) {
    json reply = {{"error", "not a JSON object"}};
    try {
      const json request = json::parse(line);
      if (request.is_object()) {
        const std::string op = request.value("op", "");
        if (op == "quit") return 0;
        const auto answered = answer(op, request);
        reply = answered.ok() ? *answered : json{{"error", answered.status().ToString()}};
      }
    } catch (const json::exception& problem) {
      reply = {{"error", problem.what()}};
    }
    // A text may have been cut inside a character.
    std::cout << reply.dump(-1, ' ', false, json::error_handler_t::replace) << std::endl;
  }
  return 0;
}

absl::StatusOr<json> AnswerPeak(const json& request) {
  const std::string name = request.value("precision", "f32");
  const auto precision = linalg::ParsePrecision(name);
  if (!precision.has_value())
    return absl::InvalidArgumentError(absl::StrCat("unknown precision ", name));
  json gops = json::array();
  for (int run = 0; run < request.value("runs", 3); ++run)
    gops.push_back(MeasurePeak(*precision, request.value("threads", 1)));
  return json{{"gops", gops}};
}

}  // namespace ragmesh::bench
