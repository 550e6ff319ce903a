// "Did you mean": the known name nearest to a mistyped one.
#ifndef RAGMESH_LIBS_FLAGS_NEAREST_H_
#define RAGMESH_LIBS_FLAGS_NEAREST_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::flags {

// Empty when none is within a third of the letters of `name`. Reads at most the first 64 bytes of
// `name`.
std::string Nearest(absl::string_view name, const std::vector<std::string>& known);

}  // namespace ragmesh::flags

#endif  // RAGMESH_LIBS_FLAGS_NEAREST_H_
