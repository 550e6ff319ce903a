#include "libs/grammar/left_corners.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"

namespace ragmesh::grammar {
namespace {

constexpr std::size_t kMaxNamed = 8;  // rules of a cycle that a message names

// For each rule, those that its start can call before any byte.
std::vector<std::vector<std::uint32_t>> FirstCalls(const Automaton& automaton) {
  std::vector<std::vector<std::uint32_t>> calls(automaton.rules.size());
  std::vector<std::uint32_t> seen(automaton.states.size());  // by the rule last, plus 1
  std::vector<StateId> work;
  for (std::uint32_t rule = 0; rule < automaton.rules.size(); ++rule) {
    work.push_back(automaton.rules[rule].start);
    while (!work.empty()) {
      const StateId id = work.back();
      work.pop_back();
      if (seen[id] == rule + 1) continue;
      seen[id] = rule + 1;
      const Automaton::State& state = automaton.states[id];
      if (state.kind == Automaton::State::Kind::kCall) calls[rule].push_back(state.other);
      if (state.kind == Automaton::State::Kind::kSplit) {
        work.push_back(state.next);
        work.push_back(state.other);
      }
    }
    std::sort(calls[rule].begin(), calls[rule].end());
    calls[rule].erase(std::unique(calls[rule].begin(), calls[rule].end()), calls[rule].end());
  }
  return calls;
}

// Among rules that all have a caller left, going from callee to callee must come back.
absl::Status LeftRecursion(absl::Span<const std::string> names,
                           absl::Span<const std::vector<std::uint32_t>> calls,
                           absl::Span<const std::uint32_t> callers) {
  std::vector<std::uint32_t> left(calls.size());  // a caller that was not ordered, for each rule
  for (std::uint32_t rule = 0; rule < calls.size(); ++rule) {
    if (callers[rule] == 0) continue;
    for (const std::uint32_t callee : calls[rule]) left[callee] = rule;
  }
  std::uint32_t rule = 0;
  while (callers[rule] == 0) ++rule;
  for (std::size_t i = 0; i < calls.size(); ++i) rule = left[rule];  // now inside a cycle
  std::vector<std::uint32_t> cycle = {rule};
  for (std::uint32_t at = left[rule]; at != rule && cycle.size() < kMaxNamed; at = left[at])
    cycle.push_back(at);
  std::reverse(cycle.begin(), cycle.end());
  std::rotate(cycle.begin(), std::min_element(cycle.begin(), cycle.end()), cycle.end());
  cycle.push_back(cycle[0]);
  const auto name = [&](std::string* out, std::uint32_t at) { out->append(names[at]); };
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("grammar is left-recursive: ", absl::StrJoin(cycle, " -> ", name),
                                ", each of which can begin with the next"),
                   {.reason = "LEFT_RECURSION",
                    .field = "grammar",
                    .next_step = "Write a repetition (x*) or recursion at the end instead."});
}

}  // namespace

absl::Status OrderRules(absl::Span<const std::string> names, Automaton* automaton) {
  const std::vector<std::vector<std::uint32_t>> calls = FirstCalls(*automaton);
  std::vector<std::uint32_t> callers(calls.size());
  for (const auto& callees : calls) {
    for (const std::uint32_t callee : callees) ++callers[callee];
  }
  std::vector<std::uint32_t> ready;
  for (std::uint32_t rule = 0; rule < calls.size(); ++rule) {
    if (callers[rule] == 0) ready.push_back(rule);
  }
  std::vector<std::size_t> depth(calls.size(), 1);
  for (std::size_t i = 0; i < ready.size(); ++i) {
    const std::uint32_t rule = ready[i];
    automaton->rules[rule].order = static_cast<std::uint32_t>(i);
    automaton->longest_call_chain = std::max(automaton->longest_call_chain, depth[rule]);
    for (const std::uint32_t callee : calls[rule]) {
      depth[callee] = std::max(depth[callee], depth[rule] + 1);
      if (--callers[callee] == 0) ready.push_back(callee);
    }
  }
  if (ready.size() < calls.size()) return LeftRecursion(names, calls, callers);
  return absl::OkStatus();
}

}  // namespace ragmesh::grammar
