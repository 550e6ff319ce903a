// Which slots hold what a clause asks for.
#ifndef RAGMESH_LIBS_LEXICAL_CONDITIONS_H_
#define RAGMESH_LIBS_LEXICAL_CONDITIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/index_part.h"

namespace ragmesh::lexical {

using SlotBits = std::vector<std::uint64_t>;

// Leaves in `bits` only slots of `part` that hold all terms at the distances they have, or with
// `excluded` only those that do not.
absl::Status KeepPhrase(const IndexPart& part, absl::Span<const PlacedTerm> terms, bool excluded,
                        SlotBits* bits);

// The same of slots that hold at least one of the terms.
absl::Status KeepAnyOf(const IndexPart& part, absl::Span<const std::string> terms, bool excluded,
                       SlotBits* bits);

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_CONDITIONS_H_
