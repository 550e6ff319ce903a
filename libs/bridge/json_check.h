// Refuses JSON that is dangerous or ambiguous before any other code reads it.
#ifndef RAGMESH_LIBS_BRIDGE_JSON_CHECK_H_
#define RAGMESH_LIBS_BRIDGE_JSON_CHECK_H_

#include <cstddef>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::bridge {

inline constexpr int kMaxJsonDepth = 64;

// OK when `text` is one JSON value in UTF-8 without duplicate keys, at most kMaxJsonDepth deep.
// INVALID_ARGUMENT with reason INVALID_JSON, INVALID_UTF8, DUPLICATE_KEY or JSON_TOO_DEEP, and the
// byte position. Uses memory for the keys of the objects open at one time only.
absl::Status CheckJson(absl::string_view text);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_JSON_CHECK_H_
