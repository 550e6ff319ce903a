// A grammar as syntax trees, one for each rule: what GBNF texts and JSON schemas are read into, and
// what CompileAutomaton reads.
#ifndef RAGMESH_LIBS_GRAMMAR_RULES_H_
#define RAGMESH_LIBS_GRAMMAR_RULES_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/grammar/code_points.h"

namespace ragmesh::grammar {

using NodeId = std::uint32_t;
using RuleId = std::uint32_t;

inline constexpr std::uint32_t kUnbounded = std::numeric_limits<std::uint32_t>::max();

struct Node {
  enum class Kind : std::uint8_t {
    kLiteral,   // literals[first]
    kClass,     // one code point of classes[first]
    kSequence,  // children[first .. first + count), one after the other; none is the empty text
    kChoice,    // any one of children[first .. first + count); none matches nothing at all
    kRepeat,    // node `first`, `min` to `max` times (kUnbounded: any number)
    kRule,      // what rule `first` matches
  };
  Kind kind;
  std::uint32_t first = 0, count = 0;
  std::uint32_t min = 0, max = 0;
};

// Nodes are made before those that hold them, so every tree is finite; only rules are recursive.
// A tree over `max_nodes` is cut: Check() then fails, whatever the ids given out since.
class Rules {
 public:
  explicit Rules(std::size_t max_nodes) : max_nodes_(max_nodes) {}

  NodeId Literal(absl::string_view bytes);
  NodeId Class(const CodePoints& points);
  NodeId Sequence(absl::Span<const NodeId> children);
  NodeId Choice(absl::Span<const NodeId> children);
  NodeId Repeat(NodeId child, std::uint32_t min, std::uint32_t max);
  NodeId Optional(NodeId child) { return Repeat(child, 0, 1); }
  NodeId Ref(RuleId rule);

  // Any one of `words`, their common beginnings shared.
  NodeId AnyOf(std::vector<std::string> words);

  // Names are for messages, and need not differ.
  RuleId Declare(absl::string_view name);
  void Define(RuleId rule, NodeId body) { rules_[rule].body = body; }
  RuleId Add(absl::string_view name, NodeId body);

  // RESOURCE_EXHAUSTED / LIMIT_EXCEEDED when there were too many nodes.
  absl::Status Check() const;

  const Node& node(NodeId id) const { return nodes_[id]; }
  absl::Span<const NodeId> children(const Node& node) const {
    return absl::MakeConstSpan(children_).subspan(node.first, node.count);
  }
  const std::string& literal(const Node& node) const { return literals_[node.first]; }
  const CodePoints& code_points(const Node& node) const { return classes_[node.first]; }
  std::size_t node_count() const { return nodes_.size(); }
  std::size_t rule_count() const { return rules_.size(); }
  const std::string& name(RuleId rule) const { return rules_[rule].name; }
  std::optional<NodeId> body(RuleId rule) const { return rules_[rule].body; }

 private:
  struct Rule {
    std::string name;
    std::optional<NodeId> body;
  };

  NodeId AddNode(const Node& node, std::size_t size);
  NodeId AddList(Node::Kind kind, absl::Span<const NodeId> children);
  NodeId WordTrie(absl::Span<const std::string> sorted, std::size_t depth);

  const std::size_t max_nodes_;
  std::size_t used_ = 0;  // nodes, children, bytes and ranges
  std::vector<Node> nodes_;
  std::vector<NodeId> children_;
  std::vector<std::string> literals_;
  std::vector<CodePoints> classes_;
  std::vector<Rule> rules_;
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_RULES_H_
