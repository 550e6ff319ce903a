#include "libs/text/bpe_tokenizer.h"

#include <utf8proc.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/text/merge_symbols.h"

namespace ragmesh::text {
namespace {

constexpr char kReplacement[] = "\xEF\xBF\xBD";  // U+FFFD

// GPT-2's alphabet: printable Latin-1 bytes stand for themselves, the other 68 for the characters
// from U+0100 on.
std::array<int, 324> MakeAlphabet() {
  std::array<int, 324> byte_of{};
  byte_of.fill(-1);
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) {
    const bool printable =
        (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    byte_of[printable ? byte : next++] = byte;
  }
  return byte_of;
}

// Undoes the alphabet; characters outside it stay as they are.
std::string Spell(absl::string_view token) {
  static const std::array<int, 324> kAlphabet = MakeAlphabet();
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    utf8proc_int32_t code = 0;
    utf8proc_ssize_t size =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(token.data()) + at,
                         static_cast<utf8proc_ssize_t>(token.size() - at), &code);
    if (size > 0 && code < static_cast<int>(kAlphabet.size()) && kAlphabet[code] >= 0) {
      bytes.push_back(static_cast<char>(kAlphabet[code]));
    } else {
      size = std::max<utf8proc_ssize_t>(size, 1);
      bytes.append(token.data() + at, static_cast<std::size_t>(size));
    }
    at += static_cast<std::size_t>(size);
  }
  return bytes;
}

// Bytes are pieces like any other here.
bool IsText(TokenKind kind) { return kind == TokenKind::kNormal || kind == TokenKind::kByte; }

std::uint64_t PairKey(std::uint64_t left, std::uint64_t right) { return left << 32 | right; }

// Length of the valid character at the front; 0 when the front is not valid.
std::size_t ValidCharacter(absl::string_view text) {
  if (static_cast<std::uint8_t>(text[0]) < 0x80) return 1;
  utf8proc_int32_t code = 0;
  const utf8proc_ssize_t size =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                       static_cast<utf8proc_ssize_t>(text.size()), &code);
  return size > 0 ? static_cast<std::size_t>(size) : 0;
}

// Bytes of the maximal bad part at the front of `text`: a lead byte with those continuations that
// could follow it.
std::size_t BadPart(absl::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<std::uint8_t>(text[i]) : 0;
  };
  const std::uint8_t lead = byte(0);
  std::size_t wanted = lead >= 0xF0 && lead <= 0xF4  ? 3
                       : lead >= 0xE0 && lead < 0xF0 ? 2
                       : lead >= 0xC2 && lead < 0xE0 ? 1
                                                     : 0;
  if (wanted == 0) return 1;
  const std::uint8_t low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  const std::uint8_t high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (byte(1) < low || byte(1) > high) return 1;
  std::size_t size = 2;
  while (size < wanted + 1 && (byte(size) & 0xC0) == 0x80) ++size;
  return size;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BpeTokenizer>> BpeTokenizer::Create(
    const BpeVocabulary& vocabulary) {
  if (vocabulary.tokens.empty()) return InvalidField("tokenizer.ggml.tokens", "must not be empty");
  if (vocabulary.tokens.size() >= UINT32_MAX ||
      vocabulary.kinds.size() != vocabulary.tokens.size()) {
    return InvalidField("tokenizer.ggml.token_type",
                        absl::StrCat("has ", vocabulary.kinds.size(), " entries for ",
                                     vocabulary.tokens.size(), " tokens"));
  }
  std::vector<std::string> bytes;
  bytes.reserve(vocabulary.tokens.size());
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    const absl::string_view token = vocabulary.tokens[id];
    bytes.push_back(IsText(vocabulary.kinds[id]) ? Spell(token) : std::string(token));
  }
  auto tokenizer = std::unique_ptr<BpeTokenizer>(new BpeTokenizer(std::move(bytes), vocabulary));
  tokenizer->AddMerges(vocabulary.merges);
  return tokenizer;
}

BpeTokenizer::BpeTokenizer(std::vector<std::string> bytes, const BpeVocabulary& vocabulary)
    : DecoderTokenizer(std::move(bytes), vocabulary.kinds, {}),
      pretokenizer_(vocabulary.pretokenizer),
      whole_words_first_(vocabulary.whole_words_first) {
  byte_ids_.fill(-1);
  normal_ids_.reserve(size());
  for (std::uint32_t id = 0; id < size(); ++id) {
    if (!IsText(kind(id)) || !normal_ids_.emplace(Bytes(id), id).second) continue;
    if (Bytes(id).size() == 1) byte_ids_[static_cast<std::uint8_t>(Bytes(id)[0])] = id;
  }
}

void BpeTokenizer::AddMerges(absl::Span<const absl::string_view> merges) {
  merges_.reserve(merges.size());
  for (std::uint32_t rank = 0; rank < merges.size(); ++rank) {
    // The spelling of a space is another character, so the one space separates; a part is never
    // empty.
    const std::size_t space = merges[rank].find(' ', 1);
    if (space == absl::string_view::npos) continue;
    const std::string left = Spell(merges[rank].substr(0, space)),
                      right = Spell(merges[rank].substr(space + 1));
    const auto left_id = normal_ids_.find(left), right_id = normal_ids_.find(right);
    const auto result = normal_ids_.find(left + right);
    if (left_id == normal_ids_.end() || right_id == normal_ids_.end() ||
        result == normal_ids_.end())
      continue;
    merges_.emplace(PairKey(left_id->second, right_id->second), RankedMerge{rank, result->second});
  }
}

void BpeTokenizer::EncodePlain(absl::string_view text, std::vector<Token>* tokens) const {
  std::size_t valid = 0;
  while (valid < text.size()) {
    const std::size_t size = ValidCharacter(text.substr(valid));
    if (size == 0) break;
    valid += size;
  }
  if (valid == text.size()) return EncodeValid(text, tokens);

  // Rare path: mend the text, remember where each mended byte came from, and map the tokens back.
  std::string mended(text.substr(0, valid));
  std::vector<std::uint32_t> origin(valid + 1);
  for (std::size_t i = 0; i <= valid; ++i) origin[i] = static_cast<std::uint32_t>(i);
  for (std::size_t at = valid; at < text.size();) {
    std::size_t size = ValidCharacter(text.substr(at));
    absl::string_view written = text.substr(at, size);
    if (size == 0) {
      size = BadPart(text.substr(at));
      written = kReplacement;
    }
    for (std::size_t i = 1; i <= written.size(); ++i) {
      origin.push_back(static_cast<std::uint32_t>(at + std::min(i, size)));
    }
    origin.back() = static_cast<std::uint32_t>(at + size);
    mended.append(written.data(), written.size());
    at += size;
  }
  const std::size_t first = tokens->size();
  EncodeValid(mended, tokens);
  for (std::size_t i = first; i < tokens->size(); ++i) {
    (*tokens)[i].begin = origin[(*tokens)[i].begin];
    (*tokens)[i].end = origin[(*tokens)[i].end];
  }
}

void BpeTokenizer::EncodeValid(absl::string_view text, std::vector<Token>* tokens) const {
  for (const WordRange& word : SplitWords(pretokenizer_, text))
    EncodeWord(text.substr(word.begin, word.end - word.begin), word.begin, tokens);
}

void BpeTokenizer::EncodeWord(absl::string_view word, std::size_t offset,
                              std::vector<Token>* tokens) const {
  const auto push = [&](std::uint32_t id, std::size_t begin, std::size_t end) {
    tokens->push_back(
        {id, static_cast<std::uint32_t>(offset + begin), static_cast<std::uint32_t>(offset + end)});
  };
  if (whole_words_first_ || word.size() == 1) {
    if (const auto whole = normal_ids_.find(word); whole != normal_ids_.end())
      return push(whole->second, 0, word.size());
  }
  std::vector<Symbol> symbols;
  symbols.reserve(word.size());
  for (std::uint32_t i = 0; i < word.size(); ++i)
    AddSymbol(byte_ids_[static_cast<std::uint8_t>(word[i])], i, i + 1, &symbols);
  MergeSymbols(
      [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
        if (left.id < 0 || right.id < 0) return std::nullopt;
        const auto merge = merges_.find(
            PairKey(static_cast<std::uint64_t>(left.id), static_cast<std::uint64_t>(right.id)));
        if (merge == merges_.end()) return std::nullopt;
        return Merge{static_cast<double>(merge->second.rank), merge->second.result};
      },
      &symbols);
  // A byte that the vocabulary lacks has no token and is left out.
  for (std::uint32_t i = 0; i != kNoSymbol; i = symbols[i].next) {
    const Symbol& symbol = symbols[i];
    if (symbol.id >= 0) push(static_cast<std::uint32_t>(symbol.id), symbol.begin, symbol.end);
  }
}

}  // namespace ragmesh::text
