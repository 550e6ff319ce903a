// Any bytes as text: ranges lie in the text, on boundaries, in order; ids are in the vocabulary.
#include <cstdint>
#include <memory>

#include "libs/text/utf8.h"
#include "libs/text/wordpiece_tokenizer.h"

namespace {

constexpr char kJson[] =
    R"({"normalizer":{"type":"BertNormalizer"},"pre_tokenizer":{"type":"BertPreTokenizer"},
"model":{"type":"WordPiece","vocab":{"[UNK]":0,"[CLS]":1,"[SEP]":2,"a":3,"##b":4,"ab":5,"##\u00e9":6,"\u4e16":7}}})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto& tokenizer = *ragmesh::text::WordPieceTokenizer::FromJson(kJson)->release();
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<ragmesh::text::Token> tokens;
  tokenizer.Encode(text, &tokens);
  std::uint32_t last_begin = 0;
  for (const auto& token : tokens) {
    if (token.id > tokenizer.max_id() || token.begin >= token.end || token.end > size)
      __builtin_trap();
    if (token.begin < last_begin || ragmesh::text::FloorCodePoint(text, token.begin) != token.begin)
      __builtin_trap();
    last_begin = token.begin;
  }
  return 0;
}
