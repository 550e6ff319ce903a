#include "libs/text/bpe_pretokenizer.h"

#include <utf8proc.h>

#include <cstdint>
#include <utility>

namespace ragmesh::text {
namespace {

enum class Kind : std::uint8_t { kLetter, kNumber, kSpace, kPunctuation, kOther, kEnd };

struct Character {
  Kind kind = Kind::kEnd;
  std::uint32_t code = 0;
  std::size_t size = 0;  // bytes
};

// Unicode White_Space.
bool IsSpace(std::uint32_t code) {
  return (code >= 9 && code <= 13) || code == 0x20 || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

Kind Classify(std::uint32_t code) {
  if (IsSpace(code)) return Kind::kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return Kind::kLetter;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return Kind::kNumber;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return Kind::kPunctuation;
    default:
      return Kind::kOther;
  }
}

// One piece of text under a matcher. Every Match* returns where the match that begins at `at` ends;
// `at` itself when there is none.
class Piece {
 public:
  Piece(absl::string_view text, WordRange range) : text_(text), end_(range.end) {}

  Character At(std::size_t at) const {
    if (at >= end_) return {};
    const auto byte = static_cast<std::uint8_t>(text_[at]);
    if (byte < 0x80) return {Classify(byte), byte, 1};
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t size =
        utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text_.data()) + at,
                         static_cast<utf8proc_ssize_t>(end_ - at), &code);
    if (size <= 0) return {Kind::kOther, 0xFFFD, 1};
    return {Classify(static_cast<std::uint32_t>(code)), static_cast<std::uint32_t>(code),
            static_cast<std::size_t>(size)};
  }

  std::size_t Run(std::size_t at, Kind kind, std::size_t most = SIZE_MAX) const {
    for (Character c = At(at); c.kind == kind && most > 0; c = At(at), --most) at += c.size;
    return at;
  }

  // [^\s\p{L}\p{N}]*
  std::size_t RunOfSymbols(std::size_t at) const {
    for (Character c = At(at); c.kind == Kind::kPunctuation || c.kind == Kind::kOther; c = At(at))
      at += c.size;
    return at;
  }

  // 's 't 'm 'd 're 've 'll
  std::size_t MatchContraction(std::size_t at, bool any_case) const {
    if (at >= end_ || text_[at] != '\'') return at;
    const auto letter = [&](std::size_t i) -> char {
      if (at + i >= end_) return 0;
      const char c = text_[at + i];
      return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    const char first = letter(1), second = letter(2);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 2;
    if ((first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
        (first == 'l' && second == 'l')) {
      return at + 3;
    }
    return at;
  }

  // \s+(?!\S)|\s+ : a run of spaces leaves its last one to the word that follows.
  std::size_t MatchSpaces(std::size_t at) const {
    std::size_t last = at, end = at;
    for (Character c = At(end); c.kind == Kind::kSpace; c = At(end)) {
      last = end;
      end += c.size;
    }
    return end < end_ && last > at ? last : end;
  }

  std::size_t MatchGpt2(std::size_t at) const {
    if (const std::size_t end = MatchContraction(at, false); end > at) return end;
    const std::size_t word = text_[at] == ' ' ? at + 1 : at;
    switch (At(word).kind) {
      case Kind::kLetter:
        return Run(word, Kind::kLetter);
      case Kind::kNumber:
        return Run(word, Kind::kNumber);
      case Kind::kPunctuation:
      case Kind::kOther:
        return RunOfSymbols(word);
      case Kind::kSpace:
      case Kind::kEnd:
        return MatchSpaces(at);
    }
    return at;
  }

  std::size_t MatchLlama3(std::size_t at, std::size_t digits) const {
    if (const std::size_t end = MatchContraction(at, true); end > at) return end;
    const Character first = At(at);
    if (first.kind == Kind::kLetter) return Run(at, Kind::kLetter);
    if (first.kind == Kind::kNumber) return Run(at, Kind::kNumber, digits);
    const bool line_end = first.code == '\r' || first.code == '\n';
    if (!line_end && At(at + first.size).kind == Kind::kLetter)
      return Run(at + first.size, Kind::kLetter);
    const std::size_t symbols = first.code == ' ' ? at + 1 : at;
    if (std::size_t end = RunOfSymbols(symbols); end > symbols) {
      while (end < end_ && (text_[end] == '\r' || text_[end] == '\n')) ++end;
      return end;
    }
    // \s*[\r\n]+ reaches to the last line end of the run of spaces.
    std::size_t after_line = at, end = at;
    for (Character c = At(end); c.kind == Kind::kSpace; c = At(end)) {
      end += c.size;
      if (c.code == '\r' || c.code == '\n') after_line = end;
    }
    return after_line > at ? after_line : MatchSpaces(at);
  }

  std::size_t MatchNumber(std::size_t at) const { return Run(at, Kind::kNumber, 1); }

  std::size_t MatchLineEnd(std::size_t at) const {
    return text_[at] == '\r' || text_[at] == '\n' ? at + 1 : at;
  }

  // \s?\p{..}+
  std::size_t MatchAfterSpace(std::size_t at, Kind kind) const {
    const Character first = At(at);
    const std::size_t word = first.kind == Kind::kSpace ? at + first.size : at;
    const std::size_t end = Run(word, kind);
    return end > word ? end : at;
  }

  // [\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+
  std::size_t MatchEastAsian(std::size_t at) const {
    for (Character c = At(at); c.kind != Kind::kEnd; c = At(at)) {
      if (!((c.code >= 0x0800 && c.code <= 0x9FA5) || (c.code >= 0xAC00 && c.code <= 0xD7FF)))
        break;
      at += c.size;
    }
    return at;
  }

 private:
  const absl::string_view text_;
  const std::size_t end_;
};

// Cuts every piece at the matches of `match`; what lies between matches stays as pieces of its own.
template <typename Match>
std::vector<WordRange> SplitPieces(absl::string_view text, const std::vector<WordRange>& pieces,
                                   Match match) {
  std::vector<WordRange> words;
  for (const WordRange& range : pieces) {
    const Piece piece(text, range);
    std::size_t unmatched = range.begin;
    for (std::size_t at = range.begin; at < range.end;) {
      const std::size_t end = match(piece, at);
      if (end == at) {
        at += piece.At(at).size;
        continue;
      }
      if (unmatched < at) words.push_back({unmatched, at});
      words.push_back({at, end});
      at = unmatched = end;
    }
    if (unmatched < range.end) words.push_back({unmatched, range.end});
  }
  return words;
}

}  // namespace

std::optional<BpePretokenizer> FindBpePretokenizer(absl::string_view name) {
  static constexpr std::pair<absl::string_view, BpePretokenizer> kNames[] = {
      {"gpt-2", BpePretokenizer::kGpt2},
      {"gpt2", BpePretokenizer::kGpt2},
      {"phi-2", BpePretokenizer::kGpt2},
      {"mpt", BpePretokenizer::kGpt2},
      {"olmo", BpePretokenizer::kGpt2},
      {"roberta-bpe", BpePretokenizer::kGpt2},
      {"smollm", BpePretokenizer::kSmolLm},
      {"starcoder", BpePretokenizer::kSmolLm},
      {"refact", BpePretokenizer::kSmolLm},
      {"command-r", BpePretokenizer::kSmolLm},
      {"codeshell", BpePretokenizer::kSmolLm},
      {"qwen2", BpePretokenizer::kQwen2},
      {"deepseek-r1-qwen", BpePretokenizer::kQwen2},
      {"stablelm2", BpePretokenizer::kQwen2},
      {"llama-bpe", BpePretokenizer::kLlama3},
      {"llama3", BpePretokenizer::kLlama3},
      {"llama-v3", BpePretokenizer::kLlama3},
      {"dbrx", BpePretokenizer::kLlama3},
      {"smaug-bpe", BpePretokenizer::kLlama3},
      {"deepseek-coder", BpePretokenizer::kDeepSeekCoder},
  };
  for (const auto& [known, rule] : kNames) {
    if (known == name) return rule;
  }
  return std::nullopt;
}

std::vector<WordRange> SplitWords(BpePretokenizer rule, absl::string_view text) {
  std::vector<WordRange> words;
  if (text.empty()) return words;
  words.push_back({0, text.size()});
  const auto number = [](const Piece& p, std::size_t at) { return p.MatchNumber(at); };
  const auto gpt2 = [](const Piece& p, std::size_t at) { return p.MatchGpt2(at); };
  switch (rule) {
    case BpePretokenizer::kGpt2:
      return SplitPieces(text, words, gpt2);
    case BpePretokenizer::kSmolLm:
      return SplitPieces(text, SplitPieces(text, words, number), gpt2);
    case BpePretokenizer::kLlama3:
      return SplitPieces(text, words,
                         [](const Piece& p, std::size_t at) { return p.MatchLlama3(at, 3); });
    case BpePretokenizer::kQwen2:
      return SplitPieces(text, words,
                         [](const Piece& p, std::size_t at) { return p.MatchLlama3(at, 1); });
    case BpePretokenizer::kDeepSeekCoder:
      break;
  }
  words =
      SplitPieces(text, words, [](const Piece& p, std::size_t at) { return p.MatchLineEnd(at); });
  words = SplitPieces(text, words, [](const Piece& p, std::size_t at) {
    return p.MatchAfterSpace(at, Kind::kLetter);
  });
  words = SplitPieces(text, words, [](const Piece& p, std::size_t at) {
    return p.MatchAfterSpace(at, Kind::kPunctuation);
  });
  words =
      SplitPieces(text, words, [](const Piece& p, std::size_t at) { return p.MatchEastAsian(at); });
  return SplitPieces(text, words, number);
}

}  // namespace ragmesh::text
