#include "libs/text/sentencepiece_tokenizer.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/merge_symbols.h"
#include "libs/text/utf8.h"

namespace ragmesh::text {
namespace {

constexpr absl::string_view kSpaceMark = "\xE2\x96\x81";  // U+2581
constexpr double kUnknownPenalty =
    10;  // below the lowest score of a piece, as the reference has it

// The byte that "<0x0A>" spells; -1 for another spelling. Files without kinds have them as normal.
int ByteOf(absl::string_view token, TokenKind kind) {
  if (kind != TokenKind::kByte && kind != TokenKind::kNormal) return -1;
  if (token.size() != 6 || token.substr(0, 3) != "<0x" || token[5] != '>') return -1;
  int value = 0;
  for (const char c : token.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

// What the token prints.
std::string Spell(absl::string_view token, TokenKind kind) {
  const int byte = ByteOf(token, kind);
  if (byte >= 0) return std::string(1, static_cast<char>(byte));
  std::string spaced = absl::StrReplaceAll(token, {{kSpaceMark, " "}});
  // Of special tokens, runs of spaces are spelled so; in other ones U+2581 is itself.
  const bool spaces = spaced.find_first_not_of(' ') == std::string::npos;
  return kind == TokenKind::kNormal || spaces ? spaced : std::string(token);
}

// Where the spaces at `begin` and the word behind them end.
std::size_t EndOfWord(absl::string_view bytes, std::size_t begin) {
  const std::size_t word = bytes.find_first_not_of(' ', begin);
  const std::size_t end = bytes.find(' ', word);
  return std::min(end, bytes.size());
}

}  // namespace

absl::StatusOr<std::unique_ptr<SentencePieceTokenizer>> SentencePieceTokenizer::Create(
    const SentencePieceVocabulary& vocabulary) {
  const std::size_t size = vocabulary.tokens.size();
  if (size == 0 || size >= std::numeric_limits<std::uint32_t>::max())
    return InvalidField("tokenizer.ggml.tokens", "must hold at least one token");
  const auto check = [size](absl::string_view field, std::size_t entries) {
    if (entries == size) return absl::OkStatus();
    return InvalidField(field, absl::StrCat("has ", entries, " entries for ", size, " tokens"));
  };
  RAGMESH_RETURN_IF_ERROR(check("tokenizer.ggml.token_type", vocabulary.kinds.size()));
  RAGMESH_RETURN_IF_ERROR(check("tokenizer.ggml.scores", vocabulary.scores.size()));
  if (!vocabulary.eats_spaces.empty())
    RAGMESH_RETURN_IF_ERROR(check("eats_spaces", vocabulary.eats_spaces.size()));
  if (vocabulary.unknown.has_value() && *vocabulary.unknown >= size)
    return InvalidField("tokenizer.ggml.unknown_token_id", "must be the id of a token");
  absl::StatusOr<CharacterMap> characters = CharacterMap::Parse(vocabulary.character_map);
  if (!characters.ok()) {
    return InvalidField("tokenizer.ggml.precompiled_charsmap", "has a trie that does not fit");
  }
  std::vector<std::string> bytes;
  bytes.reserve(size);
  for (std::size_t id = 0; id < size; ++id)
    bytes.push_back(Spell(vocabulary.tokens[id], vocabulary.kinds[id]));
  auto tokenizer = std::unique_ptr<SentencePieceTokenizer>(
      new SentencePieceTokenizer(std::move(bytes), vocabulary, *std::move(characters)));
  for (std::uint32_t id = 0; id < size; ++id) {
    const int byte = ByteOf(vocabulary.tokens[id], vocabulary.kinds[id]);
    if (byte >= 0) tokenizer->byte_ids_[static_cast<std::size_t>(byte)] = id;
  }
  tokenizer->AddPieces(vocabulary.scores);
  return tokenizer;
}

SentencePieceTokenizer::SentencePieceTokenizer(std::vector<std::string> bytes,
                                               const SentencePieceVocabulary& vocabulary,
                                               CharacterMap characters)
    : DecoderTokenizer(std::move(bytes), vocabulary.kinds, vocabulary.eats_spaces),
      model_(vocabulary.model),
      unknown_(vocabulary.unknown),
      adds_space_prefix_(vocabulary.adds_space_prefix),
      joins_spaces_(vocabulary.joins_spaces),
      characters_(std::move(characters)) {
  byte_ids_.fill(-1);
}

void SentencePieceTokenizer::AddPieces(const std::vector<float>& scores) {
  const bool merges = model_ == SentencePieceVocabulary::Model::kMerges;
  float lowest = std::numeric_limits<float>::max();
  if (merges) pieces_.reserve(size());
  std::vector<UnigramLattice::Piece> unigram;
  for (std::uint32_t id = 0; id < size(); ++id) {
    const absl::string_view bytes = Bytes(id);
    if (kind(id) != TokenKind::kNormal || bytes.empty() ||
        bytes.size() > UnigramLattice::kMaxPieceBytes) {
      continue;
    }
    const float score =
        std::isfinite(scores[id]) ? scores[id] : std::numeric_limits<float>::lowest();
    lowest = std::min(lowest, score);
    if (merges) {
      pieces_.emplace(bytes, Piece{id, score});
      longest_bytes_ = std::max(longest_bytes_, bytes.size());
      words_are_apart_ = words_are_apart_ && EndOfWord(bytes, 0) == bytes.size();
    } else {
      unigram.push_back({std::string(bytes), id, score});
    }
  }
  lattice_ = UnigramLattice(std::move(unigram), double{lowest} - kUnknownPenalty);
}

bool SentencePieceTokenizer::AddsSpaceAfter(std::optional<std::uint32_t> last) const {
  if (!adds_space_prefix_) return false;
  return !last.has_value() || *last >= size() || kind(*last) == TokenKind::kControl ||
         kind(*last) == TokenKind::kUserDefined;
}

// Text as the pieces spell it, but with spaces for U+2581, of which a text's own mean the same.
TracedText SentencePieceTokenizer::Rewrite(absl::string_view text) const {
  const TracedText mapped = characters_.RewriteLongest(text);
  TracedText out;
  out.bytes.reserve(mapped.bytes.size() + 1);
  out.origins.reserve(mapped.bytes.size() + 1);
  if (adds_space_prefix_) out.Append(" ", {0, 0});
  bool after_space = true;  // one that joins with more
  for (std::size_t at = 0; at < mapped.bytes.size();) {
    const std::size_t size = DecodeUtf8(mapped.bytes, at).size;
    const absl::string_view bytes = absl::string_view(mapped.bytes).substr(at, size);
    const bool space = bytes == " ";
    if (!(joins_spaces_ && space && after_space))
      out.Append(bytes == kSpaceMark ? " " : bytes, mapped.origins[at]);
    after_space = space;
    at += size;
  }
  if (joins_spaces_ && after_space && !out.bytes.empty()) {
    out.bytes.pop_back();
    out.origins.pop_back();
  }
  return out;
}

void SentencePieceTokenizer::EncodePlain(absl::string_view text, std::vector<Token>* tokens) const {
  const TracedText rewritten = Rewrite(text);
  if (rewritten.bytes.empty()) return;
  if (model_ == SentencePieceVocabulary::Model::kMerges) {
    EncodeMerges(rewritten, tokens);
  } else {
    EncodeUnigram(rewritten, tokens);
  }
}

const SentencePieceTokenizer::Piece* SentencePieceTokenizer::FindPiece(
    absl::string_view bytes) const {
  if (bytes.size() > longest_bytes_) return nullptr;
  const auto piece = pieces_.find(bytes);
  return piece == pieces_.end() ? nullptr : &piece->second;
}

void SentencePieceTokenizer::EncodeMerges(const TracedText& text,
                                          std::vector<Token>* tokens) const {
  const absl::string_view bytes = text.bytes;
  bool after_unknown = false;
  std::vector<Symbol> symbols;
  for (std::size_t begin = 0, end = 0; begin < bytes.size(); begin = end) {
    end = words_are_apart_ ? EndOfWord(bytes, begin) : bytes.size();
    symbols.clear();
    for (std::size_t at = begin; at < end;) {
      const std::size_t next = at + DecodeUtf8(bytes, at).size;
      const Piece* piece = FindPiece(bytes.substr(at, next - at));
      AddSymbol(piece == nullptr ? -1 : std::int64_t{piece->id}, static_cast<std::uint32_t>(at),
                static_cast<std::uint32_t>(next), &symbols);
      at = next;
    }
    MergeSymbols(
        [&](const Symbol& left, const Symbol& right) -> std::optional<Merge> {
          const Piece* piece = FindPiece(bytes.substr(left.begin, right.end - left.begin));
          if (piece == nullptr) return std::nullopt;
          return Merge{-double{piece->score}, piece->id};
        },
        &symbols);
    for (std::uint32_t i = 0; i != kNoSymbol; i = symbols[i].next) {
      const Symbol& symbol = symbols[i];
      if (symbol.id < 0) {
        PushFallback(text, symbol.begin, symbol.end, after_unknown, tokens);
      } else {
        tokens->push_back({static_cast<std::uint32_t>(symbol.id), text.origins[symbol.begin].begin,
                           text.origins[symbol.end - 1].end});
      }
      after_unknown = symbol.id < 0;
    }
  }
}

void SentencePieceTokenizer::EncodeUnigram(const TracedText& text,
                                           std::vector<Token>* tokens) const {
  bool after_unknown = false;
  for (const UnigramLattice::Segment& segment : lattice_.Cut(text.bytes)) {
    if (segment.id < 0) {
      PushFallback(text, segment.begin, segment.end, after_unknown, tokens);
    } else {
      tokens->push_back({static_cast<std::uint32_t>(segment.id), text.origins[segment.begin].begin,
                         text.origins[segment.end - 1].end});
    }
    after_unknown = segment.id < 0;
  }
}

// The character text[begin, end) as its bytes, or as unknown where one of them has no token.
void SentencePieceTokenizer::PushFallback(const TracedText& text, std::size_t begin,
                                          std::size_t end, bool after_unknown,
                                          std::vector<Token>* tokens) const {
  const absl::string_view bytes = absl::string_view(text.bytes).substr(begin, end - begin);
  const TracedText::Origin origin = text.origins[begin];
  const auto id_of = [&](char byte) { return byte_ids_[static_cast<std::uint8_t>(byte)]; };
  if (std::all_of(bytes.begin(), bytes.end(), [&](char byte) { return id_of(byte) >= 0; })) {
    for (const char byte : bytes)
      tokens->push_back({static_cast<std::uint32_t>(id_of(byte)), origin.begin, origin.end});
    return;
  }
  if (!unknown_.has_value()) return;
  if (after_unknown && !tokens->empty() && tokens->back().id == *unknown_) {
    tokens->back().end = origin.end;
  } else {
    tokens->push_back({*unknown_, origin.begin, origin.end});
  }
}

}  // namespace ragmesh::text
