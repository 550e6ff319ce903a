// Any bytes as tokenizer.json: a status or a tokenizer that works.
#include <cstdint>

#include "libs/text/wordpiece_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view json(reinterpret_cast<const char*>(data), size);
  const auto tokenizer = ragmesh::text::WordPieceTokenizer::FromJson(json);
  if (!tokenizer.ok()) return 0;
  std::vector<ragmesh::text::Token> tokens;
  (*tokenizer)->Encode(json, &tokens);
  if (tokens.size() != (*tokenizer)->Count(json)) __builtin_trap();
  return 0;
}
