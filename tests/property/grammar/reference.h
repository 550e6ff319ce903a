// Random grammars, and the plainest recogniser of them: all ends of all pieces at all places.
#ifndef RAGMESH_TESTS_PROPERTY_GRAMMAR_REFERENCE_H_
#define RAGMESH_TESTS_PROPERTY_GRAMMAR_REFERENCE_H_

#include <cstddef>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace ragmesh::grammar {

struct Tree {
  enum class Kind { kLiteral, kClass, kSequence, kChoice, kRepeat, kRule } kind = Kind::kLiteral;
  std::string text;                     // of a literal
  std::vector<std::string> characters;  // of a class, as UTF-8
  std::vector<Tree> children;
  std::size_t rule = 0;
  int min = 0, max = 0;  // -1: any number
};

struct ReferenceGrammar {
  std::vector<Tree> rules;  // the first is the root

  std::string Gbnf() const;
  bool Matches(const std::string& text) const;
  // A text that matches, unless it would get long.
  std::string Sample(std::mt19937* random) const;
};

// Rules refer to later ones, and behind a literal to any, so there is no left recursion.
ReferenceGrammar RandomGrammar(std::mt19937* random);

// Bytes and characters that random grammars use.
std::string RandomPiece(std::mt19937* random);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_TESTS_PROPERTY_GRAMMAR_REFERENCE_H_
