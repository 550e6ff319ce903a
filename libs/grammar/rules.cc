#include "libs/grammar/rules.h"

#include <algorithm>

#include "libs/base/error.h"

namespace ragmesh::grammar {

NodeId Rules::AddNode(const Node& node, std::size_t size) {
  used_ += 1 + size;
  nodes_.push_back(node);
  return static_cast<NodeId>(nodes_.size() - 1);
}

NodeId Rules::Literal(absl::string_view bytes) {
  // Past the limit nothing is kept but the node, so that ids stay valid and memory bounded.
  if (used_ > max_nodes_) bytes = "";
  literals_.emplace_back(bytes);
  return AddNode({Node::Kind::kLiteral, static_cast<std::uint32_t>(literals_.size() - 1)},
                 bytes.size());
}

NodeId Rules::Class(const CodePoints& points) {
  if (used_ > max_nodes_) return Literal("");
  classes_.push_back(points);
  return AddNode({Node::Kind::kClass, static_cast<std::uint32_t>(classes_.size() - 1)},
                 points.ranges().size());
}

NodeId Rules::AddList(Node::Kind kind, absl::Span<const NodeId> children) {
  if (used_ > max_nodes_) return Literal("");
  const auto first = static_cast<std::uint32_t>(children_.size());
  children_.insert(children_.end(), children.begin(), children.end());
  return AddNode({kind, first, static_cast<std::uint32_t>(children.size())}, children.size());
}

NodeId Rules::Sequence(absl::Span<const NodeId> children) {
  if (children.size() == 1) return children[0];
  return AddList(Node::Kind::kSequence, children);
}

NodeId Rules::Choice(absl::Span<const NodeId> children) {
  if (children.size() == 1) return children[0];
  return AddList(Node::Kind::kChoice, children);
}

NodeId Rules::Repeat(NodeId child, std::uint32_t min, std::uint32_t max) {
  if (min == 1 && max == 1) return child;
  return AddNode({Node::Kind::kRepeat, child, 0, min, max}, 0);
}

NodeId Rules::Ref(RuleId rule) { return AddNode({Node::Kind::kRule, rule}, 0); }

NodeId Rules::WordTrie(absl::Span<const std::string> sorted, std::size_t depth) {
  std::vector<NodeId> choices;
  for (std::size_t begin = 0; begin < sorted.size();) {
    const std::string& word = sorted[begin];
    if (word.size() == depth) {
      choices.push_back(Literal(""));
      ++begin;
      continue;
    }
    std::size_t end = begin + 1;
    while (end < sorted.size() && sorted[end][depth] == word[depth]) ++end;
    // How far the words of this group agree: as far as its first and its last, which are sorted.
    const std::string& other = sorted[end - 1];
    std::size_t common = depth + 1;
    while (common < word.size() && common < other.size() && word[common] == other[common]) ++common;
    const NodeId head = Literal(absl::string_view(word).substr(depth, common - depth));
    choices.push_back(end - begin == 1
                          ? head
                          : Sequence({head, WordTrie(sorted.subspan(begin, end - begin), common)}));
    begin = end;
  }
  return Choice(choices);
}

NodeId Rules::AnyOf(std::vector<std::string> words) {
  std::sort(words.begin(), words.end());
  words.erase(std::unique(words.begin(), words.end()), words.end());
  return WordTrie(words, 0);
}

RuleId Rules::Declare(absl::string_view name) {
  rules_.push_back({std::string(name), std::nullopt});
  ++used_;
  return static_cast<RuleId>(rules_.size() - 1);
}

RuleId Rules::Add(absl::string_view name, NodeId body) {
  const RuleId rule = Declare(name);
  Define(rule, body);
  return rule;
}

absl::Status Rules::Check() const {
  if (used_ <= max_nodes_) return absl::OkStatus();
  return LimitExceeded("grammar", static_cast<long long>(used_), static_cast<long long>(max_nodes_),
                       "nodes", "Write a smaller grammar or schema.");
}

}  // namespace ragmesh::grammar
