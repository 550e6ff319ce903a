// In which order rules can call one another before any byte.
#ifndef RAGMESH_LIBS_GRAMMAR_LEFT_CORNERS_H_
#define RAGMESH_LIBS_GRAMMAR_LEFT_CORNERS_H_

#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "libs/grammar/automaton.h"

namespace ragmesh::grammar {

// Sets `order` of every rule, and longest_call_chain. INVALID_ARGUMENT / LEFT_RECURSION, with the
// `names` of the rules of a cycle, when a rule can begin with itself.
absl::Status OrderRules(absl::Span<const std::string> names, Automaton* automaton);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_LEFT_CORNERS_H_
