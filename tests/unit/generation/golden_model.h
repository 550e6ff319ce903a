// The small real model and the golden made with it, for tests that need weights.
#ifndef RAGMESH_TESTS_UNIT_GENERATION_GOLDEN_MODEL_H_
#define RAGMESH_TESTS_UNIT_GENERATION_GOLDEN_MODEL_H_

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "libs/testing/test_data.h"

namespace ragmesh::generation {

inline constexpr char kSmolLmDigest[] =
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";

inline std::optional<std::filesystem::path> SmolLmPath() {
  return testing::CachedModel(kSmolLmDigest);
}

// testdata/golden/smollm2.json; nullopt when absent.
inline std::optional<nlohmann::json> SmolLmGolden() {
  const auto path = testing::TestData("golden/smollm2.json");
  if (!path.has_value()) return std::nullopt;
  return nlohmann::json::parse(testing::ReadFileOrDie(*path));
}

}  // namespace ragmesh::generation

#define RAGMESH_REQUIRE_SMOLLM()                               \
  RAGMESH_SKIP_WITHOUT(::ragmesh::generation::SmolLmPath(),    \
                       "the model SmolLM2-135M (dev models)"); \
  RAGMESH_SKIP_WITHOUT(::ragmesh::generation::SmolLmGolden(),  \
                       "golden/smollm2.json of the test data")

#endif  // RAGMESH_TESTS_UNIT_GENERATION_GOLDEN_MODEL_H_
