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
  const std::size_t checked = text.empty() ? 0 : size % text.size();
  std::size_t accepted = 0;
  for (; accepted < text.size(); ++accepted) {
    if (!matcher.AcceptBytes(text.substr(accepted, 1))) break;
    std::vector<std::uint32_t> allowed;
    if (accepted == checked && !AllowedTokens(matcher, true, &allowed)) return 0;
  }
  Matcher whole = start;
  if (whole.AcceptBytes(text.substr(0, accepted)) && whole.CanEnd() != matcher.CanEnd())
    __builtin_trap();
  const absl::string_view choices = text.substr(accepted).substr(0, 6);
  for (std::size_t i = 0; i < choices.size(); ++i) {
    std::vector<std::uint32_t> allowed;
    if (!AllowedTokens(matcher, i % 3 == 0, &allowed) || allowed.empty()) break;
    const std::string forced = matcher.ForcedBytes(16);
    Matcher ahead = matcher;
    if (!ahead.AcceptBytes(forced) && !ahead.gave_up()) __builtin_trap();
    matcher.Accept(allowed[static_cast<unsigned char>(choices[i]) % allowed.size()]);
  }
  return 0;
}
