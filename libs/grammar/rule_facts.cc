#include "libs/grammar/rule_facts.h"

#include <cstddef>
#include <cstdint>

namespace ragmesh::grammar {
namespace {

// Carries a property from the leaves up: a sequence has it once all children have it, any other
// node once one of them does. Each edge is followed once, in whatever order rules depend on one
// another.
class Propagation {
 public:
  explicit Propagation(const Rules& rules) : rules_(rules), missing_(rules.node_count()) {
    std::vector<std::uint32_t> counts(rules.node_count() + 1);
    ForEachEdge([&](NodeId child, NodeId) { ++counts[child + 1]; });
    for (std::size_t i = 1; i < counts.size(); ++i) counts[i] += counts[i - 1];
    first_ = counts;
    parents_.resize(counts.back());
    ForEachEdge([&](NodeId child, NodeId parent) { parents_[counts[child]++] = parent; });
  }

  // `has(node)` says which nodes have the property by themselves.
  template <typename Has>
  std::vector<bool> Run(Has has) {
    std::vector<bool> result(rules_.node_count(), false);
    std::vector<NodeId> work;
    const auto gain = [&](NodeId id) {
      if (result[id]) return;
      result[id] = true;
      work.push_back(id);
    };
    for (NodeId id = 0; id < rules_.node_count(); ++id) {
      const Node& node = rules_.node(id);
      missing_[id] = node.kind == Node::Kind::kSequence ? node.count : 1;
      if (missing_[id] == 0 || has(node)) gain(id);
    }
    while (!work.empty()) {
      const NodeId id = work.back();
      work.pop_back();
      for (std::uint32_t i = first_[id]; i < first_[id + 1]; ++i) {
        const NodeId parent = parents_[i];
        if (missing_[parent] > 0 && --missing_[parent] == 0) gain(parent);
      }
    }
    return result;
  }

 private:
  template <typename Each>
  void ForEachEdge(Each each) const {
    for (NodeId id = 0; id < rules_.node_count(); ++id) {
      const Node& node = rules_.node(id);
      switch (node.kind) {
        case Node::Kind::kSequence:
        case Node::Kind::kChoice:
          for (const NodeId child : rules_.children(node)) each(child, id);
          break;
        case Node::Kind::kRepeat:
          each(node.first, id);
          break;
        case Node::Kind::kRule:
          each(*rules_.body(node.first), id);
          break;
        case Node::Kind::kLiteral:
        case Node::Kind::kClass:
          break;
      }
    }
  }

  const Rules& rules_;
  std::vector<std::uint32_t> first_;  // of each node's parents
  std::vector<NodeId> parents_;
  std::vector<std::uint32_t> missing_;
};

}  // namespace

NodeFacts FindFacts(const Rules& rules) {
  Propagation propagation(rules);
  NodeFacts facts;
  facts.productive = propagation.Run([&](const Node& node) {
    if (node.kind == Node::Kind::kClass) return !rules.code_points(node).empty();
    return node.kind == Node::Kind::kLiteral || (node.kind == Node::Kind::kRepeat && node.min == 0);
  });
  facts.nullable = propagation.Run([&](const Node& node) {
    return (node.kind == Node::Kind::kLiteral && rules.literal(node).empty()) ||
           (node.kind == Node::Kind::kRepeat && node.min == 0);
  });
  return facts;
}

}  // namespace ragmesh::grammar
