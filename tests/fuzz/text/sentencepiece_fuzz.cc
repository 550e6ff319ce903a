// Any bytes as a SentencePiece vocabulary of either model, with or without a character map and
// tokens of bytes, and a text: ids and ranges hold, a text prints as itself, and no foreign text
// holds a control token.
#include <cstdint>
#include <memory>
#include <string>

#include "libs/text/sentencepiece_tokenizer.h"
#include "tests/fuzz/text/decoder_checks.h"

namespace ragmesh::text {
namespace {

const std::vector<std::string>& ByteTokens() {
  static const std::vector<std::string>& tokens = *[] {
    auto* all = new std::vector<std::string>;
    constexpr char kDigits[] = "0123456789ABCDEF";
    for (unsigned byte = 0; byte < 256; ++byte)
      all->push_back(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">");
    return all;
  }();
  return tokens;
}

void Run(FuzzInput input) {
  const std::uint8_t flags = input.Byte();
  const bool has_bytes = (flags & 1) != 0, has_unknown = (flags & 2) != 0;
  SentencePieceVocabulary vocabulary;
  if ((flags & 4) != 0) vocabulary.model = SentencePieceVocabulary::Model::kUnigram;
  vocabulary.adds_space_prefix = (flags & 8) != 0;
  vocabulary.joins_spaces = (flags & 16) != 0;
  if ((flags & 32) != 0) vocabulary.character_map = input.Bytes(input.Byte());
  const std::vector<FuzzInput::Piece> pieces = input.Pieces();
  const absl::string_view text = input.Rest();
  vocabulary.tokens.push_back("<unk>");
  vocabulary.kinds.push_back(TokenKind::kControl);
  vocabulary.scores.push_back(0);
  if (has_unknown) vocabulary.unknown = 0;
  if (has_bytes) {
    // All 256 would cost more than the rest of an execution.
    for (const std::uint8_t byte : BytesToPrint(text)) {
      vocabulary.tokens.push_back(ByteTokens()[byte]);
      vocabulary.kinds.push_back(TokenKind::kByte);
      vocabulary.scores.push_back(0);
    }
  }
  for (const FuzzInput::Piece& piece : pieces) {
    vocabulary.tokens.push_back(piece.text);
    vocabulary.kinds.push_back(piece.kind);
    vocabulary.scores.push_back(piece.score);
  }
  if ((flags & 64) != 0) {
    for (const TokenKind kind : vocabulary.kinds)
      vocabulary.eats_spaces.push_back(kind == TokenKind::kControl);
  }
  const auto tokenizer = SentencePieceTokenizer::Create(vocabulary);
  if (!tokenizer.ok()) return;
  // Maps and joined spaces change the text, and U+2581 is a space.
  const bool same = has_bytes && vocabulary.character_map.empty() && !vocabulary.joins_spaces &&
                    text.find("\xE2\x96\x81") == absl::string_view::npos;
  CheckDecoder(**tokenizer, text, same ? Prints::kTheText : Prints::kLess, has_unknown ? 0 : -1);
}

}  // namespace
}  // namespace ragmesh::text

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ragmesh::text::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
