#include "libs/text/bpe_matchers.h"

#include <utf8proc.h>

#include <algorithm>

namespace ragmesh::text {
namespace {

// Unicode White_Space.
bool IsSpace(std::uint32_t code) {
  return (code >= 9 && code <= 13) || code == 0x20 || code == 0x85 || code == 0xA0 ||
         code == 0x1680 || (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 ||
         code == 0x202F || code == 0x205F || code == 0x3000;
}

Kinds Classify(std::uint32_t code) {
  if (IsSpace(code)) return kSpace;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(code))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LT:
      return kUpper;
    case UTF8PROC_CATEGORY_LL:
      return kLower;
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
      return kOtherLetter;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
      return kMark;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
      return kNumber;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
      return kPunctuation;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
      return kSymbol;
    default:
      return kRest;
  }
}

constexpr absl::string_view kLineEnds = "\r\n";

bool IsLineEnd(std::uint32_t code) { return code == '\r' || code == '\n'; }

bool IsAsciiLetter(std::uint32_t code) { return (code | 0x20) >= 'a' && (code | 0x20) <= 'z'; }

}  // namespace

Character Piece::At(std::size_t at) const {
  if (at >= text_.size()) return {};
  const auto byte = static_cast<std::uint8_t>(text_[at]);
  if (byte < 0x80) return {Classify(byte), byte, 1};
  utf8proc_int32_t code = 0;
  const utf8proc_ssize_t size =
      utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text_.data()) + at,
                       static_cast<utf8proc_ssize_t>(text_.size() - at), &code);
  if (size <= 0) return {kRest, 0xFFFD, 1};
  return {Classify(static_cast<std::uint32_t>(code)), static_cast<std::uint32_t>(code),
          static_cast<std::size_t>(size)};
}

std::size_t Piece::Run(std::size_t at, Kinds kinds, std::size_t most) const {
  for (Character c = At(at); (c.kind & kinds) != 0 && most > 0; c = At(at), --most) at += c.size;
  return at;
}

std::size_t Piece::RunOfBytes(std::size_t at, absl::string_view bytes) const {
  while (at < text_.size() && bytes.find(text_[at]) != absl::string_view::npos) ++at;
  return at;
}

std::size_t Piece::RunOfRanges(std::size_t at, const CodeRange* ranges, std::size_t count) const {
  for (Character c = At(at); c.kind != 0; c = At(at)) {
    const CodeRange* range = std::partition_point(
        ranges, ranges + count, [&](const CodeRange& r) { return r.last < c.code; });
    if (range == ranges + count || c.code < range->first) break;
    at += c.size;
  }
  return at;
}

std::size_t Piece::MatchContraction(std::size_t at, bool any_case) const {
  if (at >= text_.size() || text_[at] != '\'') return at;
  const auto letter = [&](std::size_t i) -> char {
    if (at + i >= text_.size()) return 0;
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

std::size_t Piece::MatchSpaces(std::size_t at) const {
  std::size_t last = at, end = at;
  for (Character c = At(end); c.kind == kSpace; c = At(end)) {
    last = end;
    end += c.size;
  }
  return end < text_.size() && last > at ? last : end;
}

// \s*[\r\n]+|\s+(?!\S)|\s+ : the first reaches to the last line end of the run of spaces.
std::size_t Piece::MatchLineOrSpaces(std::size_t at) const {
  std::size_t after_line = at, end = at;
  for (Character c = At(end); c.kind == kSpace; c = At(end)) {
    end += c.size;
    if (IsLineEnd(c.code)) after_line = end;
  }
  return after_line > at ? after_line : MatchSpaces(at);
}

std::size_t Piece::MatchGpt2(std::size_t at) const {
  if (const std::size_t end = MatchContraction(at, false); end > at) return end;
  const std::size_t word = text_[at] == ' ' ? at + 1 : at;
  const Kinds kind = At(word).kind;
  for (const Kinds kinds : {kLetter, kNumber, kNoWord}) {
    if ((kind & kinds) != 0) return Run(word, kinds);
  }
  return MatchSpaces(at);
}

// [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+ and, where that does
// not match, the same with + and * exchanged. A regular expression gives characters of the first
// class back, from the last one on, until the second has one: those that are in both are what it
// can get.
std::size_t Piece::MatchCasedWord(std::size_t at) const {
  constexpr Kinds kBoth = kOtherLetter | kMark, kHead = kUpper | kBoth, kTail = kLower | kBoth;
  const Character first = At(at);
  const bool may_prefix =
      first.kind != 0 && (first.kind & (kLetter | kNumber)) == 0 && !IsLineEnd(first.code);
  for (const bool prefix : {true, false}) {
    if (prefix && !may_prefix) continue;
    const std::size_t begin = prefix ? at + first.size : at;
    std::size_t head = begin, given_back = begin;
    for (Character c = At(head); (c.kind & kHead) != 0; c = At(head)) {
      head += c.size;
      if ((c.kind & kBoth) != 0) given_back = head;
    }
    if (const std::size_t end = Run(head, kTail); end > head) return end;
    if (given_back > begin) return given_back;
  }
  for (const bool prefix : {true, false}) {
    if (prefix && !may_prefix) continue;
    const std::size_t begin = prefix ? at + first.size : at;
    if (const std::size_t head = Run(begin, kHead); head > begin) return Run(head, kTail);
  }
  return at;
}

std::size_t Piece::MatchWord(std::size_t at, const WordRule& rule) const {
  if (rule.cased) {
    const std::size_t end = MatchCasedWord(at);
    return end > at && rule.contraction_last ? MatchContraction(end, true) : end;
  }
  const Character first = At(at);
  if ((first.kind & rule.letters) != 0) return Run(at, rule.letters);
  if (first.kind == kNumber || IsLineEnd(first.code)) return at;
  const std::size_t word = at + first.size;
  const std::size_t end = Run(word, rule.letters);
  return end > word ? end : at;
}

std::size_t Piece::MatchNewer(std::size_t at, const WordRule& rule) const {
  if (rule.contraction_first) {
    if (const std::size_t end = MatchContraction(at, true); end > at) return end;
  }
  if (const std::size_t end = MatchWord(at, rule); end > at) return end;
  if (At(at).kind == kNumber) return Run(at, kNumber, rule.digits);
  const std::size_t symbols = text_[at] == ' ' ? at + 1 : at;
  const std::size_t end = Run(symbols, kNoWord & ~rule.letters);
  if (end == symbols) return MatchLineOrSpaces(at);
  if (rule.tail == WordRule::Tail::kNone) return end;
  return RunOfBytes(end, rule.tail == WordRule::Tail::kLineEnds ? kLineEnds : "\r\n/");
}

// [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
// \s*[\r\n]+|\s+(?!\S)|\s+
std::size_t Piece::MatchDeepSeekV3(std::size_t at) const {
  constexpr Kinds kWord = kLetter | kMark, kSigns = kPunctuation | kSymbol;
  const Character first = At(at);
  if (first.code < 0x80 && (first.kind & kSigns) != 0) {
    std::size_t end = at + 1;
    while (end < text_.size() && IsAsciiLetter(static_cast<std::uint8_t>(text_[end]))) ++end;
    if (end > at + 1) return end;
  }
  if ((first.kind & kWord) != 0) return Run(at, kWord);
  if ((first.kind & kSigns) == 0 && !IsLineEnd(first.code)) {
    const std::size_t word = at + first.size;
    if (const std::size_t end = Run(word, kWord); end > word) return end;
  }
  const std::size_t signs = first.code == ' ' ? at + 1 : at;
  if (const std::size_t end = Run(signs, kSigns); end > signs) return RunOfBytes(end, kLineEnds);
  return MatchLineOrSpaces(at);
}

std::size_t Piece::MatchAfterSpace(std::size_t at, Kinds kinds) const {
  const Character first = At(at);
  const std::size_t word = first.kind == kSpace ? at + first.size : at;
  const std::size_t end = Run(word, kinds);
  return end > word ? end : at;
}

std::size_t Piece::MatchChameleonToken(std::size_t at) const {
  constexpr absl::string_view kSentinel = "<sentinel:", kImage = "IMGIMG";
  if (text_.compare(at, kSentinel.size(), kSentinel) == 0) {
    const std::size_t digits = at + kSentinel.size(), end = RunOfBytes(digits, "0123456789");
    if (end > digits && end < text_.size() && text_[end] == '>') return end + 1;
  } else if (text_.compare(at, kImage.size(), kImage) == 0) {
    const std::size_t letters = at + kImage.size(), end = RunOfBytes(letters, "ABCDEFGHI");
    if (end > letters && end <= letters + 4 && end < text_.size() && text_[end] == 'Z')
      return end + 1;
  }
  return at;
}

}  // namespace ragmesh::text
