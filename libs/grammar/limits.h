// What a grammar may cost. Every bound is a typed error, RESOURCE_EXHAUSTED / LIMIT_EXCEEDED when
// a grammar is compiled; the defaults allow far more than any schema met in practice.
#ifndef RAGMESH_LIBS_GRAMMAR_LIMITS_H_
#define RAGMESH_LIBS_GRAMMAR_LIMITS_H_

#include <cstddef>

namespace ragmesh::grammar {

struct Limits {
  std::size_t max_text_bytes = 256 << 10;  // of a grammar or a schema as text
  std::size_t max_nesting = 64;            // groups in groups, schemas in schemas
  std::size_t max_nodes = 200'000;         // of the syntax trees of all rules
  std::size_t max_states = 200'000;        // of the compiled automaton, about 16 bytes each
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_LIMITS_H_
