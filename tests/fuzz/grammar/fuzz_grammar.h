// What the fuzz targets of grammars share: tight limits, a small vocabulary, a check of each mask.
#ifndef RAGMESH_TESTS_FUZZ_GRAMMAR_FUZZ_GRAMMAR_H_
#define RAGMESH_TESTS_FUZZ_GRAMMAR_FUZZ_GRAMMAR_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/grammar/constraint.h"

namespace ragmesh::grammar {

inline Limits FuzzLimits() {
  Limits limits;
  limits.max_text_bytes = 1024;
  limits.max_nesting = 20;
  limits.max_nodes = 1200;
  limits.max_states = 800;
  return limits;
}

inline std::shared_ptr<const TokenTable> FuzzTokens() {
  static const auto tokens = [] {
    const std::vector<absl::string_view> bytes = {
        "a",        "b",        "ab",
        "aab",      "{",        "}",
        "\"",       "\":",      "\"}",
        ",",        "[",        "]",
        "1",        "-1",       "0.5",
        " ",        "\n",       "true",
        "null",     "\xc3",     "\xa9",
        "\xc3\xa9", "\xf0\x9f", "\\",
        "\\u",      "\\\"",     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ":",        "12",       "x",
        "\"a\":",   "e"};
    return *TokenTable::Create(bytes, std::vector<bool>(bytes.size(), false));
  }();
  return tokens;
}

// Null when the grammar is too ambiguous from the start.
inline std::shared_ptr<Constraint> FuzzConstraint(Grammar::Ptr grammar) {
  Constraint::Options options;
  options.max_configuration_bytes = 20'000;  // so that forgetting happens
  options.max_mask_bytes = 400;
  options.max_work = 2'000;
  options.bounds = {.max_depth = 60, .max_width = 100};
  const auto constraint = Constraint::Create(std::move(grammar), FuzzTokens(), options);
  return constraint.ok() ? *constraint : nullptr;
}

// The tokens that may come next; false when finding out took too much work. With `check`, traps
// unless these are exactly those that the matcher accepts, which costs as much as 30 masks: an
// execution asks for it at a few places that its input picks.
inline bool AllowedTokens(const Matcher& matcher, bool check, std::vector<std::uint32_t>* allowed) {
  std::uint32_t words[1] = {};
  if (!matcher.Mask(words).ok()) return false;
  Matcher tried = matcher;
  for (std::uint32_t token = 0; token < FuzzTokens()->size(); ++token) {
    const bool masked_in = (words[0] >> token & 1) != 0;
    if (masked_in) allowed->push_back(token);
    if (!check) continue;
    // A mask may be found with less work than a step, when a cut configuration decides it.
    const bool accepted = tried.Accept(token);
    if (accepted != masked_in && !tried.gave_up()) __builtin_trap();
    if (accepted) tried = matcher;  // what is refused leaves it where it was
  }
  return true;
}

}  // namespace ragmesh::grammar

#endif  // RAGMESH_TESTS_FUZZ_GRAMMAR_FUZZ_GRAMMAR_H_
