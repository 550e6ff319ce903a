#include "tests/property/grammar/reference.h"

#include <functional>

namespace ragmesh::grammar {
namespace {

using Kind = Tree::Kind;
using Ends = std::set<std::size_t>;

// The last two share their first byte.
const char* const kCharacters[] = {"a", "b", "c", "\u00e9", "\u00ea", "\u4e00"};

class Recogniser {
 public:
  Recogniser(const std::vector<Tree>& rules, const std::string& text)
      : rules_(rules), text_(text) {}

  const Ends& Rule(std::size_t rule, std::size_t at) {
    const auto key = std::make_pair(rule, at);
    const auto found = known_.find(key);
    if (found != known_.end()) return found->second;
    Ends ends = Match(rules_[rule], at);
    return known_[key] = std::move(ends);
  }

 private:
  Ends MatchAll(const Tree& tree, const Ends& from) {
    Ends ends;
    for (const std::size_t at : from) {
      const Ends some = Match(tree, at);
      ends.insert(some.begin(), some.end());
    }
    return ends;
  }

  Ends Match(const Tree& tree, std::size_t at) {
    const auto literal = [&](const std::string& text) {
      return text_.compare(at, text.size(), text) == 0 ? Ends{at + text.size()} : Ends{};
    };
    Ends ends;
    switch (tree.kind) {
      case Kind::kLiteral:
        return literal(tree.text);
      case Kind::kClass:
        for (const std::string& character : tree.characters) ends.merge(literal(character));
        return ends;
      case Kind::kSequence:
        ends = {at};
        for (const Tree& child : tree.children) ends = MatchAll(child, ends);
        return ends;
      case Kind::kChoice:
        for (const Tree& child : tree.children) ends.merge(Match(child, at));
        return ends;
      case Kind::kRule:
        return Rule(tree.rule, at);
      case Kind::kRepeat:
        break;
    }
    Ends reached = {at};
    for (int i = 0; i < tree.min; ++i) reached = MatchAll(tree.children[0], reached);
    ends = reached;
    for (int i = tree.min; (tree.max < 0 || i < tree.max) && !reached.empty(); ++i) {
      Ends fresh;
      for (const std::size_t end : MatchAll(tree.children[0], reached)) {
        if (ends.insert(end).second) fresh.insert(end);
      }
      reached = std::move(fresh);
    }
    return ends;
  }

  const std::vector<Tree>& rules_;
  const std::string& text_;
  std::map<std::pair<std::size_t, std::size_t>, Ends> known_;
};

std::string Print(const Tree& tree) {
  std::string out;
  switch (tree.kind) {
    case Kind::kLiteral:
      return "\"" + tree.text + "\"";
    case Kind::kClass:
      for (const std::string& character : tree.characters) out += character;
      return "[" + out + "]";
    case Kind::kRule:
      return tree.rule == 0 ? "root" : "r" + std::to_string(tree.rule);
    case Kind::kSequence:
      for (const Tree& child : tree.children) out += Print(child) + " ";
      return "(" + out + ")";
    case Kind::kChoice:
      for (const Tree& child : tree.children) out += (out.empty() ? "" : " | ") + Print(child);
      return "(" + out + ")";
    case Kind::kRepeat:
      break;
  }
  out = Print(tree.children[0]);
  if (tree.min == 0 && tree.max == 1) return out + "?";
  if (tree.min < 2 && tree.max < 0) return out + (tree.min == 0 ? "*" : "+");
  if (tree.min == tree.max) return out + "{" + std::to_string(tree.min) + "}";
  return out + "{" + std::to_string(tree.min) + "," +
         (tree.max < 0 ? "" : std::to_string(tree.max)) + "}";
}

Tree Literal(std::mt19937* random) {
  Tree tree;
  for (unsigned i = (*random)() % 3 + 1; i > 0; --i) tree.text += kCharacters[(*random)() % 6];
  return tree;
}

Tree RandomTree(std::mt19937* random, std::size_t rule, std::size_t rules, int depth) {
  Tree tree;
  const auto child = [&] { return RandomTree(random, rule, rules, depth - 1); };
  switch (depth == 0 ? (*random)() % 2 : (*random)() % 8) {
    case 0:
      if ((*random)() % 8 != 0) return Literal(random);
      return tree;
    case 1:
      tree.kind = Kind::kClass;
      for (unsigned i = (*random)() % 3 + 1; i > 0; --i)
        tree.characters.push_back(kCharacters[(*random)() % 6]);
      return tree;
    case 2:
    case 3:
      tree.kind = Kind::kSequence;
      for (unsigned i = (*random)() % 3 + 1; i > 0; --i) tree.children.push_back(child());
      return tree;
    case 4:
      tree.kind = Kind::kChoice;
      for (unsigned i = (*random)() % 3 + 1; i > 0; --i) tree.children.push_back(child());
      return tree;
    case 5: {
      tree.kind = Kind::kRepeat;
      tree.children.push_back(child());
      tree.min = static_cast<int>((*random)() % 3);
      const unsigned kind = (*random)() % 4;
      tree.max = kind == 0 ? -1
                           : tree.min + static_cast<int>(kind == 1 && depth == 1 ? (*random)() % 50
                                                                                 : kind);
      return tree;
    }
    default: {
      Tree reference;
      reference.kind = Kind::kRule;
      if (rule + 1 < rules && (*random)() % 2 == 0) {
        reference.rule = rule + 1 + (*random)() % (rules - rule - 1);
        return reference;
      }
      reference.rule = (*random)() % rules;
      // Behind a character, and never the only way, so that some text ends.
      Tree guarded;
      guarded.kind = Kind::kSequence;
      guarded.children = {Literal(random), reference};
      tree.kind = Kind::kChoice;
      tree.children = {guarded, Literal(random)};
      return tree;
    }
  }
}

}  // namespace

std::string ReferenceGrammar::Gbnf() const {
  std::string out;
  for (std::size_t i = 0; i < rules.size(); ++i) {
    out += (i == 0 ? "root" : "r" + std::to_string(i)) + " ::= " + Print(rules[i]) + "\n";
  }
  return out;
}

bool ReferenceGrammar::Matches(const std::string& text) const {
  return Recogniser(rules, text).Rule(0, 0).count(text.size()) != 0;
}

std::string ReferenceGrammar::Sample(std::mt19937* random) const {
  std::string out;
  int steps = 200;
  const std::function<void(const Tree&)> write = [&](const Tree& tree) {
    if (--steps < 0) return;
    switch (tree.kind) {
      case Kind::kLiteral:
        out += tree.text;
        break;
      case Kind::kClass:
        out += tree.characters[(*random)() % tree.characters.size()];
        break;
      case Kind::kSequence:
        for (const Tree& child : tree.children) write(child);
        break;
      case Kind::kChoice:
        write(tree.children[(*random)() % tree.children.size()]);
        break;
      case Kind::kRule:
        write(rules[tree.rule]);
        break;
      case Kind::kRepeat: {
        const int more = tree.max < 0 ? 3 : tree.max - tree.min;
        const int times =
            tree.min + static_cast<int>((*random)() % static_cast<unsigned>(more + 1));
        for (int i = 0; i < times; ++i) write(tree.children[0]);
        break;
      }
    }
  };
  write(rules[0]);
  return out;
}

ReferenceGrammar RandomGrammar(std::mt19937* random) {
  ReferenceGrammar grammar;
  const std::size_t rules = (*random)() % 4 + 1;
  for (std::size_t i = 0; i < rules; ++i) grammar.rules.push_back(RandomTree(random, i, rules, 3));
  return grammar;
}

std::string RandomPiece(std::mt19937* random) {
  if ((*random)() % 6 == 0) return std::string(1, "\xc3\xa9\xaa\xe4\xb8\x80"[(*random)() % 6]);
  return kCharacters[(*random)() % 6];
}

}  // namespace ragmesh::grammar
