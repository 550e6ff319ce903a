// Any bytes as a grammar and, behind a 0 byte, as a text and choices of tokens. Masks must be exact
// wherever that leads, and bytes one by one must give what all give at once.
#include "tests/fuzz/grammar/fuzz_grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::grammar;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\0'), input.size());
  const auto grammar = Grammar::ParseGbnf(input.substr(0, end), FuzzLimits());
  if (!grammar.ok()) return 0;
  const auto constraint = FuzzConstraint(*grammar);
  if (constraint == nullptr) return 0;
  absl::string_view text = input.substr(std::min(end + 1, input.size()));
  Matcher matcher(constraint);
  const Matcher start = matcher;
  std::size_t accepted = 0;
  for (; accepted < text.size(); ++accepted) {
    if (!matcher.AcceptBytes(text.substr(accepted, 1))) break;
    if (accepted % 4 != 0 || accepted > 16) continue;  // masks are what takes time here
    std::vector<std::uint32_t> allowed;
    if (!CheckedMask(matcher, &allowed)) return 0;
  }
  Matcher whole = start;
  if (whole.AcceptBytes(text.substr(0, accepted)) && whole.CanEnd() != matcher.CanEnd())
    __builtin_trap();
  for (const char choice : text.substr(accepted).substr(0, 6)) {
    std::vector<std::uint32_t> allowed;
    if (!CheckedMask(matcher, &allowed) || allowed.empty()) break;
    const std::string forced = matcher.ForcedBytes(16);
    Matcher ahead = matcher;
    if (!ahead.AcceptBytes(forced) && !ahead.gave_up()) __builtin_trap();
    matcher.Accept(allowed[static_cast<unsigned char>(choice) % allowed.size()]);
  }
  return 0;
}
