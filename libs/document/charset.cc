#include "libs/document/charset.h"

#include <uchardet/uchardet.h>
#include <unicode/ucnv.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kGuessBytes = 256 << 10;
constexpr char kReplacement[] = "\xEF\xBF\xBD";

struct Utf8Count {
  std::uint64_t multi_byte = 0;
  std::uint64_t invalid = 0;
  std::uint64_t zero = 0;
};

// Calls `on_piece(begin, size, valid)` for ASCII runs and each code point or invalid sequence.
template <typename F>
void ForEachUtf8(absl::string_view text, F on_piece) {
  for (std::size_t i = 0; i < text.size();) {
    std::size_t run = i;
    while (run < text.size() && static_cast<unsigned char>(text[run]) < 0x80) ++run;
    if (run > i) {
      on_piece(i, run - i, true);
      i = run;
      continue;
    }
    UChar32 c;
    std::int32_t offset = 0;
    const char* at = text.data() + i;
    const auto left = static_cast<std::int32_t>(std::min<std::size_t>(text.size() - i, 8));
    U8_NEXT(at, offset, left, c);
    on_piece(i, static_cast<std::size_t>(offset), c >= 0);
    i += static_cast<std::size_t>(offset);
  }
}

Utf8Count CountUtf8(absl::string_view text) {
  Utf8Count count;
  ForEachUtf8(text, [&](std::size_t begin, std::size_t size, bool valid) {
    if (!valid) {
      ++count.invalid;
    } else if (static_cast<unsigned char>(text[begin]) >= 0x80) {
      ++count.multi_byte;
    } else {
      count.zero += static_cast<std::uint64_t>(
          std::count(text.begin() + static_cast<std::ptrdiff_t>(begin),
                     text.begin() + static_cast<std::ptrdiff_t>(begin + size), '\0'));
    }
  });
  return count;
}

DecodedText AsUtf8(absl::string_view bytes) {
  DecodedText out{.charset = "UTF-8"};
  out.utf8.reserve(bytes.size());
  ForEachUtf8(bytes, [&](std::size_t begin, std::size_t size, bool valid) {
    if (valid) {
      out.utf8.append(bytes.data() + begin, size);
    } else {
      out.utf8 += kReplacement;
      ++out.replaced;
    }
  });
  return out;
}

// Nothing when ICU does not know `charset`.
std::optional<DecodedText> Convert(absl::string_view bytes, const std::string& charset) {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> from(ucnv_open(charset.c_str(), &error),
                                                                &ucnv_close);
  if (U_FAILURE(error)) return std::nullopt;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> to(ucnv_open("UTF-8", &error),
                                                              &ucnv_close);
  if (U_FAILURE(error)) return std::nullopt;
  DecodedText out;
  out.charset = ucnv_getName(from.get(), &error);
  std::vector<UChar> pivot(4096);
  std::vector<char> buffer(64 << 10);
  UChar* pivot_source = pivot.data();
  UChar* pivot_target = pivot.data();
  const char* source = bytes.data();
  const char* const source_end = bytes.data() + bytes.size();
  bool reset = true;
  for (;;) {
    char* target = buffer.data();
    error = U_ZERO_ERROR;
    ucnv_convertEx(to.get(), from.get(), &target, buffer.data() + buffer.size(), &source,
                   source_end, pivot.data(), &pivot_source, &pivot_target,
                   pivot.data() + pivot.size(), reset, true, &error);
    reset = false;
    out.utf8.append(buffer.data(), static_cast<std::size_t>(target - buffer.data()));
    if (error == U_BUFFER_OVERFLOW_ERROR) continue;
    break;
  }
  if (U_FAILURE(error)) return std::nullopt;
  for (std::size_t at = out.utf8.find(kReplacement); at != std::string::npos;
       at = out.utf8.find(kReplacement, at + 3)) {
    ++out.replaced;
  }
  if (absl::StartsWith(out.utf8, "\xEF\xBB\xBF")) out.utf8.erase(0, 3);
  return out;
}

// UTF-16 without a byte order mark: text in most scripts then has a zero in nearly every other
// byte.
std::string Utf16ByZeros(absl::string_view bytes) {
  const std::size_t size = std::min<std::size_t>(bytes.size(), 4096) & ~std::size_t{1};
  std::size_t even = 0;
  std::size_t odd = 0;
  for (std::size_t i = 0; i < size; i += 2) {
    even += bytes[i] == '\0' ? 1 : 0;
    odd += bytes[i + 1] == '\0' ? 1 : 0;
  }
  if (size >= 8 && odd > size * 2 / 5 && even <= size / 50) return "UTF-16LE";
  if (size >= 8 && even > size * 2 / 5 && odd <= size / 50) return "UTF-16BE";
  return "";
}

std::string Guess(absl::string_view bytes) {
  const std::unique_ptr<uchardet, decltype(&uchardet_delete)> detector(uchardet_new(),
                                                                       &uchardet_delete);
  uchardet_handle_data(detector.get(), bytes.data(), std::min(bytes.size(), kGuessBytes));
  uchardet_data_end(detector.get());
  return uchardet_get_charset(detector.get());
}

}  // namespace

DecodedText DecodeText(absl::string_view bytes, absl::string_view declared) {
  if (absl::StartsWith(bytes, "\xEF\xBB\xBF")) return AsUtf8(bytes.substr(3));
  std::string charset;
  if (absl::StartsWith(bytes, absl::string_view("\xFF\xFE\0\0", 4))) {
    charset = "UTF-32LE";
  } else if (absl::StartsWith(bytes, absl::string_view("\0\0\xFE\xFF", 4))) {
    charset = "UTF-32BE";
  } else if (absl::StartsWith(bytes, "\xFF\xFE")) {
    charset = "UTF-16LE";
  } else if (absl::StartsWith(bytes, "\xFE\xFF")) {
    charset = "UTF-16BE";
  }
  if (!charset.empty()) {
    if (auto decoded = Convert(bytes, charset)) return *std::move(decoded);
  }
  const Utf8Count count = CountUtf8(bytes);
  // A page that is UTF-8 says so by its bytes; a declaration against that is a mistake of its
  // author.
  if (count.invalid == 0 && count.zero == 0) return AsUtf8(bytes);
  if (!declared.empty() && !absl::StartsWithIgnoreCase(declared, "utf-8")) {
    if (auto decoded = Convert(bytes, std::string(declared))) return *std::move(decoded);
  }
  if (count.multi_byte >= 4 * count.invalid) {
    charset = count.zero == 0 ? "" : Utf16ByZeros(bytes);
    if (charset.empty()) return AsUtf8(bytes);
  } else {
    charset = Utf16ByZeros(bytes);
    if (charset.empty()) charset = Guess(bytes);
  }
  if (!charset.empty() && !absl::EqualsIgnoreCase(charset, "ASCII")) {
    if (absl::EqualsIgnoreCase(charset, "UTF-8")) return AsUtf8(bytes);
    if (auto decoded = Convert(bytes, charset)) return *std::move(decoded);
  }
  if (auto decoded = Convert(bytes, "windows-1252")) return *std::move(decoded);
  return AsUtf8(bytes);
}

std::string DeclaredHtmlCharset(absl::string_view bytes) {
  const std::string head = absl::AsciiStrToLower(bytes.substr(0, 2048));
  const std::size_t at = head.find("charset=");
  if (at == std::string::npos) return "";
  std::size_t begin = at + 8;
  while (begin < head.size() && (head[begin] == '"' || head[begin] == '\'' || head[begin] == ' '))
    ++begin;
  std::size_t end = begin;
  while (end < head.size() && (absl::ascii_isalnum(static_cast<unsigned char>(head[end])) ||
                               head[end] == '-' || head[end] == '_' || head[end] == ':')) {
    ++end;
  }
  std::string charset = head.substr(begin, end - begin);
  // Browsers read both of these as windows-1252.
  if (charset == "iso-8859-1" || charset == "us-ascii") charset = "windows-1252";
  return charset;
}

}  // namespace ragmesh::document
