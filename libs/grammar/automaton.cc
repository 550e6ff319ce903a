#include "libs/grammar/automaton.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/grammar/left_corners.h"
#include "libs/grammar/rule_facts.h"

namespace ragmesh::grammar {
namespace {

using State = Automaton::State;
using ByteSet = Automaton::ClassSet;  // of bytes here

void Insert(std::size_t byte, ByteSet* set) {
  (*set)[byte >> 6] |= std::uint64_t{1} << (byte & 63);
}

constexpr std::uint32_t kInlineStates = 4;  // a body this small is copied, not called

// Builds the states of each rule from its end to its beginning, so that every piece knows where it
// leads. Pieces that match nothing are left out.
class Builder {
 public:
  Builder(const Rules& rules, const Limits& limits)
      : rules_(rules), limits_(limits), facts_(FindFacts(rules)) {}

  absl::StatusOr<Automaton> Build(RuleId root);

 private:
  // What a rule of the automaton is made of: a rule or a node of the grammar, or the code points of
  // a class beyond ASCII.
  struct Source {
    enum class Kind { kNode, kCodePoints } kind;
    NodeId node = 0;
    std::vector<std::vector<ByteRange>> sequences;
    std::string name;
  };

  StateId Add(State::Kind kind, StateId next, std::uint32_t other) {
    automaton_.states.push_back({kind, next, other});
    return static_cast<StateId>(automaton_.states.size() - 1);
  }
  bool Full() const { return automaton_.states.size() > limits_.max_states; }
  StateId Bytes(const ByteSet& set, StateId next);
  StateId Split(StateId a, StateId b) { return a == b ? a : Add(State::Kind::kSplit, a, b); }
  StateId Call(std::uint32_t rule, bool nullable, StateId next) {
    const StateId call = Add(State::Kind::kCall, next, rule);
    return nullable ? Split(call, next) : call;
  }
  // The state from which `node` and then `next` match; the node is productive.
  StateId Piece(NodeId node, StateId next);
  StateId Class(const CodePoints& points, StateId next);
  StateId Repeat(const Node& node, StateId next);
  StateId Copies(NodeId body, bool called, std::uint32_t count, bool optional, StateId exit,
                 StateId next);
  StateId Once(NodeId body, bool called, StateId next);
  std::uint32_t RuleOf(NodeId body, absl::string_view name);
  std::uint32_t RuleOf(const CodePoints& beyond_ascii);
  std::uint32_t Size(NodeId node) const;
  void RepresentThemselves();
  void FindClasses();

  const Rules& rules_;
  const Limits& limits_;
  const NodeFacts facts_;
  Automaton automaton_;
  std::vector<Source> sources_;  // of each rule of the automaton; built in turn
  absl::flat_hash_map<NodeId, std::uint32_t> rule_of_node_;
  std::map<std::vector<std::pair<char32_t, char32_t>>, std::uint32_t> rule_of_points_;
  std::map<ByteSet, std::uint32_t> set_ids_;
};

// All states that were added since.
void Builder::RepresentThemselves() {
  for (auto state = static_cast<StateId>(automaton_.representatives.size());
       state < automaton_.states.size(); ++state)
    automaton_.representatives.push_back(state);
}

StateId Builder::Bytes(const ByteSet& set, StateId next) {
  const auto [entry, added] = set_ids_.emplace(set, static_cast<std::uint32_t>(set_ids_.size()));
  return Add(State::Kind::kByte, next, entry->second);
}

std::uint32_t Builder::RuleOf(NodeId body, absl::string_view name) {
  const auto [entry, added] =
      rule_of_node_.emplace(body, static_cast<std::uint32_t>(sources_.size()));
  if (added) sources_.push_back({Source::Kind::kNode, body, {}, std::string(name)});
  return entry->second;
}

std::uint32_t Builder::RuleOf(const CodePoints& beyond_ascii) {
  std::vector<std::pair<char32_t, char32_t>> key;
  for (const CodePointRange& range : beyond_ascii.ranges())
    key.push_back({range.first, range.last});
  const auto [entry, added] =
      rule_of_points_.emplace(std::move(key), static_cast<std::uint32_t>(sources_.size()));
  if (added) {
    sources_.push_back(
        {Source::Kind::kCodePoints, 0, ToByteSequences(beyond_ascii), "a character class"});
  }
  return entry->second;
}

// ASCII is most of what models write: it moves within the rule. What takes several bytes is a rule
// of its own, shared by all classes that have it.
StateId Builder::Class(const CodePoints& points, StateId next) {
  const CodePoints beyond = points.And({{0x80, kLastCodePoint}});
  ByteSet ascii{};
  for (const CodePointRange& range : points.ranges()) {
    for (char32_t c = range.first; c <= range.last && c < 0x80; ++c) Insert(c, &ascii);
  }
  if (beyond.empty()) return Bytes(ascii, next);
  const StateId call = Call(RuleOf(beyond), false, next);
  return ascii == ByteSet{} ? call : Split(Bytes(ascii, next), call);
}

// How many states the node takes at most, up to a little over kInlineStates.
std::uint32_t Builder::Size(NodeId id) const {
  const Node& node = rules_.node(id);
  switch (node.kind) {
    case Node::Kind::kLiteral:
      return static_cast<std::uint32_t>(std::min<std::size_t>(rules_.literal(node).size(), 100));
    case Node::Kind::kClass:
      return 3;
    case Node::Kind::kRule:
      return 2;
    case Node::Kind::kRepeat:
      return node.max == 1 ? Size(node.first) + 1 : 100;
    case Node::Kind::kSequence:
    case Node::Kind::kChoice:
      break;
  }
  std::uint32_t size = node.kind == Node::Kind::kChoice ? node.count : 0;
  for (const NodeId child : rules_.children(node)) {
    if (size > kInlineStates) break;
    size += Size(child);
  }
  return size;
}

StateId Builder::Once(NodeId body, bool called, StateId next) {
  return called ? Call(RuleOf(body, "a repeated group"), facts_.nullable[body], next)
                : Piece(body, next);
}

// `count` bodies before `next`, each of which may be the last when `optional`. Copies are alike,
// so those that are further from their end than any text of kLookahead bytes reaches have one
// representative.
StateId Builder::Copies(NodeId body, bool called, std::uint32_t count, bool optional, StateId exit,
                        StateId next) {
  const auto begin = static_cast<StateId>(automaton_.states.size());
  StateId size = 0;
  for (std::uint32_t i = 0; i < count && !Full(); ++i) {
    const auto first = static_cast<StateId>(automaton_.states.size());
    next = Once(body, called, next);
    if (optional) next = Split(next, exit);
    if (Full()) break;
    const auto end = static_cast<StateId>(automaton_.states.size());
    if (i == 0) size = end - first;
    RAGMESH_CHECK(end - first == size, "copies of a repeated body have the same states");
    if (i <= Automaton::kLookahead) continue;
    RepresentThemselves();
    for (StateId state = first; state < end; ++state) {
      automaton_.representatives[state] =
          begin + static_cast<StateId>(Automaton::kLookahead) * size + (state - first);
    }
  }
  return next;
}

StateId Builder::Repeat(const Node& node, StateId next) {
  const NodeId body = node.first;
  if (!facts_.productive[body] || node.max == 0) return next;  // productive, so `min` is 0
  // A nullable body may be left out as often as one likes.
  const std::uint32_t min = facts_.nullable[body] ? 0 : node.min;
  const std::uint32_t copies = node.max == kUnbounded ? min + 1 : node.max;
  const bool called = copies > 2 && Size(body) > kInlineStates;
  if (node.max == kUnbounded) {
    const StateId loop = Add(State::Kind::kSplit, next, next);
    const StateId again = Once(body, called, loop);
    automaton_.states[loop].other = again;
    next = loop;
  } else {
    next = Copies(body, called, node.max - min, /*optional=*/true, next, next);
  }
  return Copies(body, called, min, /*optional=*/false, next, next);
}

StateId Builder::Piece(NodeId id, StateId next) {
  if (Full()) return next;
  const Node& node = rules_.node(id);
  switch (node.kind) {
    case Node::Kind::kLiteral: {
      const std::string& text = rules_.literal(node);
      for (auto byte = text.rbegin(); byte != text.rend(); ++byte) {
        ByteSet set{};
        Insert(static_cast<unsigned char>(*byte), &set);
        next = Bytes(set, next);
      }
      return next;
    }
    case Node::Kind::kClass:
      return Class(rules_.code_points(node), next);
    case Node::Kind::kSequence: {
      const auto children = rules_.children(node);
      for (auto child = children.rbegin(); child != children.rend(); ++child)
        next = Piece(*child, next);
      return next;
    }
    case Node::Kind::kChoice: {
      std::optional<StateId> all;
      const auto children = rules_.children(node);
      for (auto child = children.rbegin(); child != children.rend(); ++child) {
        if (!facts_.productive[*child]) continue;
        const StateId one = Piece(*child, next);
        all = all.has_value() ? Split(one, *all) : one;
      }
      return *all;
    }
    case Node::Kind::kRepeat:
      return Repeat(node, next);
    case Node::Kind::kRule: {
      const NodeId body = *rules_.body(node.first);
      return Call(RuleOf(body, rules_.name(node.first)), facts_.nullable[body], next);
    }
  }
  return next;
}

void Builder::FindClasses() {
  // Each set splits the classes found so far into what is in it and what is not.
  std::array<std::uint32_t, 256> class_of{};
  for (const auto& entry : set_ids_) {
    const ByteSet& set = entry.first;
    std::array<std::array<int, 2>, 256> split;
    for (auto& both : split) both.fill(-1);
    int count = 0;
    for (std::size_t byte = 0; byte < 256; ++byte) {
      int& id = split[class_of[byte]][Contains(set, byte) ? 1 : 0];
      if (id < 0) id = count++;
      class_of[byte] = static_cast<std::uint32_t>(id);
    }
    if (count == 256) break;
  }
  const std::uint32_t count = *std::max_element(class_of.begin(), class_of.end()) + 1;
  automaton_.byte_of.assign(count, Automaton::kManyBytes);
  std::vector<int> members(count);
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const std::uint32_t id = class_of[byte];
    automaton_.class_of[byte] = static_cast<std::uint8_t>(id);
    automaton_.byte_of[id] =
        ++members[id] == 1 ? static_cast<std::uint16_t>(byte) : Automaton::kManyBytes;
  }
  automaton_.sets.resize(set_ids_.size());
  for (const auto& [set, id] : set_ids_) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      if (Contains(set, byte)) Insert(automaton_.class_of[byte], &automaton_.sets[id]);
    }
  }
}

absl::StatusOr<Automaton> Builder::Build(RuleId root) {
  const NodeId body = *rules_.body(root);
  if (!facts_.productive[body]) {
    return MakeError(absl::StatusCode::kInvalidArgument, "grammar matches no finite text",
                     {.reason = "MATCHES_NOTHING",
                      .field = "grammar",
                      .next_step = "Give every recursion an alternative that ends it."});
  }
  automaton_.root = RuleOf(body, rules_.name(root));
  const StateId end = Add(State::Kind::kFinal, 0, 0);
  for (std::size_t i = 0; i < sources_.size() && !Full(); ++i) {
    const Source source = sources_[i];
    StateId start = end;
    if (source.kind == Source::Kind::kNode) {
      start = Piece(source.node, end);
    } else {
      std::optional<StateId> all;
      for (const auto& sequence : source.sequences) {
        StateId next = end;
        for (auto range = sequence.rbegin(); range != sequence.rend(); ++range) {
          ByteSet set{};
          for (std::size_t byte = range->first; byte <= range->last; ++byte) Insert(byte, &set);
          next = Bytes(set, next);
        }
        all = all.has_value() ? Split(next, *all) : next;
      }
      start = *all;
    }
    automaton_.rules.push_back({start, 0});
  }
  if (Full()) {
    return LimitExceeded("grammar", static_cast<long long>(automaton_.states.size()),
                         static_cast<long long>(limits_.max_states), "states",
                         "Repeat less often, or with an open end, or write a smaller grammar.");
  }
  RepresentThemselves();
  std::vector<std::string> names;
  for (const Source& source : sources_) names.push_back(source.name);
  RAGMESH_RETURN_IF_ERROR(OrderRules(names, &automaton_));
  FindClasses();
  return std::move(automaton_);
}

}  // namespace

absl::StatusOr<Automaton> CompileAutomaton(const Rules& rules, RuleId root, const Limits& limits) {
  RAGMESH_RETURN_IF_ERROR(rules.Check());
  return Builder(rules, limits).Build(root);
}

}  // namespace ragmesh::grammar
