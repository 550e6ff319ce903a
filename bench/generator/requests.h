// Fields that several requests to generator_bench have, and how what they ask for is timed.
#ifndef RAGMESH_BENCH_GENERATOR_REQUESTS_H_
#define RAGMESH_BENCH_GENERATOR_REQUESTS_H_

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "libs/generation/decoder.h"

namespace ragmesh::bench {

inline constexpr std::size_t kMaxTokens = 1024;  // that a request may add to a cache

// "model", "mode" and "threads".
using ModelKey = std::tuple<std::string, generation::ComputeMode, int>;
absl::StatusOr<ModelKey> ModelKeyOf(const nlohmann::json& request);

// From 1 to kMaxTokens.
absl::StatusOr<std::size_t> CountOf(const nlohmann::json& request, const char* field,
                                    std::size_t otherwise);

double Seconds(absl::FunctionRef<void()> work);
// {"seconds": [...]} of each of the request's "runs".
nlohmann::json Time(const nlohmann::json& request, absl::FunctionRef<void()> work);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_GENERATOR_REQUESTS_H_
