// What can be said of each rule of a grammar before it is compiled.
#ifndef RAGMESH_LIBS_GRAMMAR_RULE_FACTS_H_
#define RAGMESH_LIBS_GRAMMAR_RULE_FACTS_H_

#include <vector>

#include "libs/grammar/rules.h"

namespace ragmesh::grammar {

struct NodeFacts {
  std::vector<bool> productive;  // some finite text matches the node
  std::vector<bool> nullable;    // the empty text matches the node
};

// One entry for each node. Cost is linear in the nodes and their children.
NodeFacts FindFacts(const Rules& rules);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_RULE_FACTS_H_
