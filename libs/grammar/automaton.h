// A grammar compiled to a pushdown automaton over bytes: what the recogniser runs.
#ifndef RAGMESH_LIBS_GRAMMAR_AUTOMATON_H_
#define RAGMESH_LIBS_GRAMMAR_AUTOMATON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/grammar/limits.h"
#include "libs/grammar/rules.h"

namespace ragmesh::grammar {

using StateId = std::uint32_t;

// Immutable once compiled. Every state can be left for the end of its rule by some bytes, so
// whatever has matched so far can be completed.
struct Automaton {
  struct State {
    enum class Kind : std::uint8_t {
      kByte,   // a byte of set `other` leads to `next`
      kCall,   // the text of rule `other`, at least one byte of it, leads to `next`
      kSplit,  // either `next` or `other`, without a byte
      kFinal,  // the rule ends here
    };
    Kind kind;
    StateId next;
    std::uint32_t other;
  };
  struct Rule {
    StateId start;
    // Rules that `start` can call before any byte come later in this order. No rule comes before
    // itself: that would be left recursion, which CompileAutomaton refuses.
    std::uint32_t order;
  };
  // Bytes that no set tells apart are one class; sets and transitions are over classes.
  using ClassSet = std::array<std::uint64_t, 4>;

  // Two states that no text of up to this many bytes tells apart may have one representative.
  static constexpr std::size_t kLookahead = 32;

  std::vector<State> states;
  std::vector<StateId> representatives;  // one for each state; often itself
  std::vector<Rule> rules;
  std::vector<ClassSet> sets;
  std::array<std::uint8_t, 256> class_of{};  // byte -> class
  std::vector<std::uint16_t> byte_of;        // class -> its only byte, or kManyBytes
  std::uint32_t root = 0;                    // rule
  std::size_t longest_call_chain = 0;        // rules that call one another before any byte

  static constexpr std::uint16_t kManyBytes = 256;

  std::size_t classes() const { return byte_of.size(); }
};

inline bool Contains(const Automaton::ClassSet& set, std::size_t byte_class) {
  return (set[byte_class >> 6] >> (byte_class & 63) & 1) != 0;
}

// Every rule that is referred to is defined. INVALID_ARGUMENT / LEFT_RECURSION names the rules of a
// cycle; INVALID_ARGUMENT / MATCHES_NOTHING when no finite text matches `root`; RESOURCE_EXHAUSTED
// when it takes too many nodes or states. Cost is linear in the states.
absl::StatusOr<Automaton> CompileAutomaton(const Rules& rules, RuleId root, const Limits& limits);

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_AUTOMATON_H_
