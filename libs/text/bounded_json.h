// JSON from a file nobody vouches for: bounded in size and depth, and without duplicate keys, which
// different readers resolve differently.
#ifndef RAGMESH_LIBS_TEXT_BOUNDED_JSON_H_
#define RAGMESH_LIBS_TEXT_BOUNDED_JSON_H_

#include <cstddef>
#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::text {

struct JsonLimits {
  std::size_t max_bytes = 64 << 20;
  int max_depth = 32;
};

// `what` names the input in errors. INVALID_ARGUMENT when it is not JSON, too deep or has a
// duplicate key; RESOURCE_EXHAUSTED when it is too large. Throws nothing.
absl::StatusOr<nlohmann::json> ParseBoundedJson(absl::string_view bytes, absl::string_view what,
                                                const JsonLimits& limits);

// The same, with the members of objects in the order in which they came. Its time is linear in the
// bytes, which that of nlohmann's own parser for ordered objects is not.
absl::StatusOr<nlohmann::ordered_json> ParseOrderedJson(absl::string_view bytes,
                                                        absl::string_view what,
                                                        const JsonLimits& limits);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_BOUNDED_JSON_H_
