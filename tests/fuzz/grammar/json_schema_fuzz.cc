// Any bytes as a JSON schema. What is written by choosing allowed tokens must be JSON, and masks
// exact on the way, at every fifth choice.
#include <nlohmann/json.hpp>

#include "tests/fuzz/grammar/fuzz_grammar.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ragmesh::grammar;
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  const auto grammar = Grammar::FromJsonSchema(input, FuzzLimits());
  if (!grammar.ok()) return 0;
  const auto constraint = FuzzConstraint(*grammar);
  if (constraint == nullptr) return 0;
  Matcher matcher(constraint);
  std::string text;
  std::uint32_t choice = static_cast<std::uint32_t>(size);
  for (int i = 0; i < 16; ++i) {
    if (matcher.CanEnd() && !nlohmann::json::accept(text)) __builtin_trap();
    std::string next = matcher.ForcedBytes(64);
    if (next.empty()) {
      std::vector<std::uint32_t> allowed;
      if (!AllowedTokens(matcher, i % 5 == 0, &allowed) || allowed.empty()) break;
      choice = choice * 1664525 + 1013904223 + (size > 0 ? data[i % size] : 0);
      const absl::string_view bytes = FuzzTokens()->Bytes(allowed[(choice >> 16) % allowed.size()]);
      next = std::string(bytes);
    }
    if (!matcher.AcceptBytes(next)) {
      if (!matcher.gave_up()) __builtin_trap();
      break;
    }
    text += next;
  }
  return 0;
}
