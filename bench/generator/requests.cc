#include "bench/generator/requests.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"

namespace ragmesh::bench {
namespace {

using generation::ComputeMode;
using nlohmann::json;

absl::StatusOr<ComputeMode> ModeOf(const json& request) {
  const std::string mode = request.value("mode", "fast");
  if (mode == "fast") return ComputeMode::kFast;
  if (mode == "exact") return ComputeMode::kExact;
  return absl::InvalidArgumentError(absl::StrCat("unknown mode ", mode));
}

}  // namespace

absl::StatusOr<ModelKey> ModelKeyOf(const json& request) {
  RAGMESH_ASSIGN_OR_RETURN(const ComputeMode mode, ModeOf(request));
  return ModelKey{request.at("model"), mode, request.value("threads", 1)};
}

double Seconds(absl::FunctionRef<void()> work) {
  const absl::Time begin = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - begin);
}

absl::StatusOr<std::size_t> CountOf(const json& request, const char* field, std::size_t otherwise) {
  const std::size_t count = request.value(field, otherwise);
  if (count >= 1 && count <= kMaxTokens) return count;
  return absl::InvalidArgumentError(absl::StrCat(field, " must be between 1 and ", kMaxTokens));
}

json Time(const json& request, absl::FunctionRef<void()> work) {
  json seconds = json::array();
  for (int run = 0; run < request.value("runs", 1); ++run) seconds.push_back(Seconds(work));
  return json{{"seconds", seconds}};
}

}  // namespace ragmesh::bench
