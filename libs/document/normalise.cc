#include "libs/document/normalise.h"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <cstdint>

#include "libs/base/check.h"

namespace ragmesh::document {
namespace {

constexpr char32_t kRemoved = 0x110000;  // no code point

bool IsBidiControl(char32_t c) {
  return c == 0x061C || c == 0x200E || c == 0x200F || (c >= 0x202A && c <= 0x202E) ||
         (c >= 0x2066 && c <= 0x206F);
}

// Steps 2 and 3 for one code point outside ASCII, except joiners.
char32_t Cleaned(char32_t c) {
  if (c == 0x85 || c == 0x2028 || c == 0x2029) return '\n';
  if (c < 0xA0) return kRemoved;
  if (c == 0xAD || c == 0x200B || c == 0xFEFF || (c >= 0x2060 && c <= 0x2064) || IsBidiControl(c))
    return kRemoved;
  if (c >= 0xE0000 && c <= 0xE007F) return kRemoved;
  if (c >= 0xE0100 && c <= 0xE01EF) return kRemoved;
  if ((c & 0xFFFE) == 0xFFFE) return kRemoved;
  return c;
}

const char* LigatureLetters(char32_t c) {
  switch (c) {
    case 0xFB00:
      return "ff";
    case 0xFB01:
      return "fi";
    case 0xFB02:
      return "fl";
    case 0xFB03:
      return "ffi";
    case 0xFB04:
      return "ffl";
    case 0xFB05:
    case 0xFB06:
      return "st";
    default:
      return nullptr;
  }
}

void AppendUtf8(char32_t c, std::string* out) {
  char bytes[4];
  std::int32_t size = 0;
  U8_APPEND_UNSAFE(bytes, size, c);
  out->append(bytes, static_cast<std::size_t>(size));
}

// The code point at `i` of valid or invalid UTF-8, U+FFFD for what is not UTF-8; moves `i` behind
// it.
char32_t Next(absl::string_view text, std::size_t* i) {
  UChar32 c;
  std::int32_t offset = 0;
  // Relative to the current place: ICU's offsets have 32 bits.
  const char* at = text.data() + *i;
  const auto left = static_cast<std::int32_t>(std::min<std::size_t>(text.size() - *i, 8));
  U8_NEXT_OR_FFFD(at, offset, left, c);
  *i += static_cast<std::size_t>(offset);
  return static_cast<char32_t>(c);
}

bool IsBlankCodePoint(char32_t c) {
  return c == ' ' || c == '\t' || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x202F || c == 0x205F || c == 0x3000;
}

// What a joiner may stand beside: letters and marks outside ASCII, and symbols such as emoji.
// Nothing that a later step removes or replaces, so that the answer is the same the second time.
bool IsJoinable(char32_t c) {
  if (c < 0x80 || Cleaned(c) != c || IsBlankCodePoint(c) || LigatureLetters(c) != nullptr)
    return false;
  return c >= 0x2190 || u_isalpha(static_cast<UChar32>(c)) ||
         (U_GET_GC_MASK(static_cast<UChar32>(c)) & U_GC_M_MASK) != 0;
}

bool EndsJoinable(const std::string& out) {
  if (out.empty()) return false;
  std::size_t begin = out.size() - 1;
  while (begin > 0 && (static_cast<unsigned char>(out[begin]) & 0xC0) == 0x80) --begin;
  return IsJoinable(Next(out, &begin));
}

// Steps 1 to 4.
std::string Clean(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte < 0x7F) {
      out.push_back(text[i++]);
      continue;
    }
    if (byte < 0x80) {
      ++i;
      if (byte == '\r') {
        if (i < text.size() && text[i] == '\n') ++i;
        out.push_back('\n');
      } else if (byte == '\n' || byte == '\v' || byte == '\f') {
        out.push_back('\n');
      } else if (byte == '\t') {
        out.push_back('\t');
      }
      continue;
    }
    const char32_t c = Next(text, &i);
    if (c == 0x200C || c == 0x200D) {
      std::size_t after = i;
      if (i < text.size() && EndsJoinable(out) && IsJoinable(Next(text, &after)))
        AppendUtf8(c, &out);
      continue;
    }
    if (const char* letters = LigatureLetters(c)) {
      out += letters;
      continue;
    }
    const char32_t cleaned = Cleaned(c);
    if (cleaned != kRemoved) AppendUtf8(cleaned, &out);
  }
  return out;
}

// Step 5.
std::string Composed(std::string text) {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(error);
  RAGMESH_CHECK(U_SUCCESS(error), "ICU has no NFC data");
  const icu::StringPiece piece(text.data(), static_cast<std::int32_t>(text.size()));
  if (nfc->isNormalizedUTF8(piece, error) && U_SUCCESS(error)) return text;
  error = U_ZERO_ERROR;
  std::string out;
  icu::StringByteSink<std::string> sink(&out, static_cast<std::int32_t>(text.size()));
  nfc->normalizeUTF8(0, piece, sink, nullptr, error);
  RAGMESH_CHECK(U_SUCCESS(error), "ICU cannot normalise");
  return out;
}

bool EndsWithLetterHyphen(const std::string& out) {
  std::size_t end = out.size();
  if (end >= 1 && out[end - 1] == '-') {
    end -= 1;
  } else if (end >= 3 && out.compare(end - 3, 3, "\u2010") == 0) {
    end -= 3;
  } else {
    return false;
  }
  if (end == 0) return false;
  std::size_t begin = end - 1;
  while (begin > 0 && (static_cast<unsigned char>(out[begin]) & 0xC0) == 0x80) --begin;
  return u_isalpha(static_cast<UChar32>(Next(out, &begin)));
}

void DropHyphen(std::string* out) { out->resize(out->size() - (out->back() == '-' ? 1 : 3)); }

// Step 6 for prose and lines.
std::string Flowed(absl::string_view text, char line_break) {
  std::string out;
  out.reserve(text.size());
  bool blank = false;
  bool broken = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const char32_t c = static_cast<unsigned char>(text[i]) < 0x80 ? static_cast<char32_t>(text[i++])
                                                                  : Next(text, &i);
    if (c == '\n') {
      broken = true;
      continue;
    }
    if (IsBlankCodePoint(c)) {
      blank = true;
      continue;
    }
    if (broken && !out.empty()) {
      if (u_islower(static_cast<UChar32>(c)) && EndsWithLetterHyphen(out)) {
        DropHyphen(&out);
      } else {
        out.push_back(line_break);
      }
    } else if (blank && !out.empty()) {
      out.push_back(' ');
    }
    blank = broken = false;
    out.append(text.data() + begin, i - begin);
  }
  return out;
}

// Step 6 for code.
std::string Listed(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t kept = 0;  // up to the last byte that is not blank
  bool started = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t begin = i;
    const char32_t c = static_cast<unsigned char>(text[i]) < 0x80 ? static_cast<char32_t>(text[i++])
                                                                  : Next(text, &i);
    if (c == '\n') {
      out.resize(kept);
      if (started) {
        out.push_back('\n');
        kept = out.size();
      }
    } else if (IsBlankCodePoint(c)) {
      out.push_back(c == '\t' ? '\t' : ' ');
    } else {
      started = true;
      out.append(text.data() + begin, i - begin);
      kept = out.size();
    }
  }
  out.resize(kept);
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

}  // namespace

std::string Normalise(absl::string_view text, TextForm form) {
  const std::string composed = Composed(Clean(text));
  switch (form) {
    case TextForm::kProse:
      return Flowed(composed, '\n');
    case TextForm::kLine:
      return Flowed(composed, ' ');
    case TextForm::kCode:
      return Listed(composed);
  }
  return composed;
}

}  // namespace ragmesh::document
