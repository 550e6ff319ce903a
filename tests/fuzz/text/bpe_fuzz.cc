// Any bytes as a byte-level BPE vocabulary, what is foreign, and a text, for every word rule: words
// cover the text, ids are in the vocabulary, ranges lie in the text and in order, the bytes of a
// text of known bytes are those of its tokens, and no foreign text holds a control token.
#include <cstdint>
#include <memory>

#include "libs/text/bpe_tokenizer.h"
#include "libs/text/utf8.h"
#include "tests/fuzz/text/decoder_checks.h"

namespace ragmesh::text {
namespace {

// The spelling of a byte in GPT-2's alphabet.
std::string Alphabet(unsigned byte) {
  const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  std::string spelling;
  unsigned code = byte;
  if (!printable) {
    code = 256;
    for (unsigned other = 0; other < byte; ++other) {
      if (!((other >= 33 && other <= 126) || (other >= 161 && other <= 172) || other >= 174))
        ++code;
    }
  }
  AppendUtf8(code, &spelling);
  return spelling;
}

void CheckWords(BpePretokenizer rule, absl::string_view text) {
  std::size_t at = 0;
  for (const WordRange& word : SplitWords(rule, text)) {
    if (word.begin != at || word.end <= at) __builtin_trap();
    at = word.end;
  }
  if (at != text.size()) __builtin_trap();
}

void Run(FuzzInput input) {
  const auto rule = static_cast<BpePretokenizer>(
      input.Byte() % (static_cast<unsigned>(BpePretokenizer::kDeepSeekV3) + 1));
  BpeVocabulary vocabulary;
  vocabulary.pretokenizer = rule;
  vocabulary.whole_words_first = input.Byte() % 2 == 0;
  static const std::vector<std::string>& bytes = *[] {
    auto* all = new std::vector<std::string>;
    for (unsigned byte = 0; byte < 256; ++byte) all->push_back(Alphabet(byte));
    return all;
  }();
  // Either what the text needs, or a few letters, so that some bytes have no token.
  const bool knows_text = input.Byte() % 4 == 1;
  const std::vector<FuzzInput::Piece> pieces = input.Pieces();
  const absl::string_view text = input.Rest();
  if (knows_text) {
    for (const std::uint8_t byte : BytesToPrint(text)) vocabulary.tokens.push_back(bytes[byte]);
  } else {
    vocabulary.tokens.assign(bytes.begin() + 'a', bytes.begin() + 'h');
  }
  vocabulary.kinds.assign(vocabulary.tokens.size(), TokenKind::kNormal);
  for (const FuzzInput::Piece& piece : pieces) {
    vocabulary.tokens.push_back(piece.text);
    vocabulary.kinds.push_back(piece.kind);
    vocabulary.merges.push_back(piece.text);  // those with a space inside name two tokens
  }
  const auto tokenizer = BpeTokenizer::Create(vocabulary);
  if (!tokenizer.ok()) return;
  if (IsValidUtf8(text)) CheckWords(rule, text);
  CheckDecoder(**tokenizer, text, knows_text ? Prints::kTheText : Prints::kLess);
}

}  // namespace
}  // namespace ragmesh::text

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ragmesh::text::Run({reinterpret_cast<const char*>(data), size});
  return 0;
}
