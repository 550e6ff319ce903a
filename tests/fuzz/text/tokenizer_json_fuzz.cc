// Any bytes as tokenizer.json: a status or a tokenizer that works.
#include <cstdint>

#include "libs/text/bounded_json.h"
#include "libs/text/unigram_tokenizer.h"
#include "libs/text/wordpiece_tokenizer.h"

namespace {

using ragmesh::text::Token;

void TryWordPiece(absl::string_view json) {
  const auto tokenizer = ragmesh::text::WordPieceTokenizer::FromJson(json);
  if (!tokenizer.ok()) return;
  std::vector<Token> tokens;
  (*tokenizer)->Encode(json, &tokens);
  if (tokens.size() != (*tokenizer)->Count(json)) __builtin_trap();
}

void TryUnigram(absl::string_view json) {
  const auto root = ragmesh::text::ParseBoundedJson(json, "tokenizer.json", {});
  if (!root.ok()) return;
  const auto tokenizer = ragmesh::text::UnigramTokenizer::FromJson(*root);
  if (!tokenizer.ok()) return;
  std::vector<Token> tokens;
  (*tokenizer)->Encode(json, &tokens);
  for (const Token& token : tokens) {
    if (token.begin > token.end || token.end > json.size()) __builtin_trap();
    if (token.id > (*tokenizer)->max_id()) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const absl::string_view json(reinterpret_cast<const char*>(data), size);
  TryWordPiece(json);
  TryUnigram(json);
  return 0;
}
