#include "libs/document/sniffer.h"

#include <magic.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "libs/document/charset.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kHeadBytes = 64 << 10;
constexpr std::size_t kMagicBytes = 256 << 10;

std::string Extension(absl::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot == absl::string_view::npos ? "" : absl::AsciiStrToLower(name.substr(dot + 1));
}

// The central directory of a zip names its parts in plain bytes.
std::string OfficeType(absl::string_view bytes) {
  if (absl::StrContains(bytes, "word/document")) return kDocxType;
  if (absl::StrContains(bytes, "ppt/presentation")) return kPptxType;
  if (absl::StrContains(bytes, "xl/workbook")) return kXlsxType;
  if (absl::StrContains(bytes.substr(0, 200), "application/epub+zip"))
    return "application/epub+zip";
  if (absl::StrContains(bytes.substr(0, 200), "application/vnd.oasis.opendocument")) {
    return "application/vnd.oasis.opendocument";
  }
  return "application/zip";
}

// Decodes enough to look at: UTF-16 pages are HTML too.
std::string TextHead(absl::string_view bytes) {
  absl::string_view head = bytes.substr(0, kHeadBytes);
  for (int i = 0; i < 4 && !head.empty() && (static_cast<unsigned char>(head.back()) & 0x80) != 0;
       ++i)
    head.remove_suffix(1);
  return DecodeText(head).utf8;
}

absl::string_view SkipComments(absl::string_view text) {
  for (;;) {
    text = absl::StripLeadingAsciiWhitespace(text);
    if (absl::StartsWith(text, "<!--")) {
      const std::size_t end = text.find("-->");
      if (end == absl::string_view::npos) return text;
      text.remove_prefix(end + 3);
    } else if (absl::StartsWith(text, "<?xml")) {
      const std::size_t end = text.find("?>");
      if (end == absl::string_view::npos) return text;
      text.remove_prefix(end + 2);
    } else {
      return text;
    }
  }
}

bool LooksLikeHtml(absl::string_view head) {
  const std::string start = absl::AsciiStrToLower(SkipComments(head).substr(0, 512));
  for (const char* tag :
       {"<!doctype html", "<html",    "<head", "<body",   "<title", "<meta", "<div",
        "<table",         "<h1",      "<h2",   "<p>",     "<p ",    "<ul",   "<ol",
        "<section",       "<article", "<main", "<script", "<style", "<link"}) {
    const absl::string_view name = tag;
    if (!absl::StartsWith(start, name)) continue;
    const char next = start.size() > name.size() ? start[name.size()] : ' ';
    if (!absl::ascii_isalnum(static_cast<unsigned char>(next)) && next != '-') return true;
  }
  return false;
}

bool LooksLikeXml(absl::string_view head) {
  head = absl::StripLeadingAsciiWhitespace(head);
  return absl::StartsWith(head, "<?xml") || absl::StartsWith(head, "<!DOCTYPE");
}

// Starts as a JSON object or array with members; prose in brackets and Markdown links do not.
bool LooksLikeJson(absl::string_view head) {
  head = absl::StripLeadingAsciiWhitespace(head);
  if (head.empty() || (head[0] != '{' && head[0] != '[')) return false;
  const char open = head[0];
  head = absl::StripLeadingAsciiWhitespace(head.substr(1));
  if (head.empty()) return false;
  if (open == '{') {
    if (head[0] == '}') return true;
    if (head[0] != '"') return false;
    const std::size_t quote = head.find('"', 1);
    return quote != absl::string_view::npos &&
           absl::StartsWith(absl::StripLeadingAsciiWhitespace(head.substr(quote + 1)), ":");
  }
  while (!head.empty() && head[0] == '[') head = absl::StripLeadingAsciiWhitespace(head.substr(1));
  if (head.empty() || head[0] == '{' || head[0] == ']' || head[0] == '"') return true;
  const std::size_t end = head.find_first_of(",]");
  const absl::string_view first = absl::StripTrailingAsciiWhitespace(head.substr(0, end));
  if (first == "true" || first == "false" || first == "null") return true;
  return end != absl::string_view::npos && head[end] == ',' && !first.empty() &&
         first.find_first_not_of("0123456789+-.eE") == absl::string_view::npos;
}

bool HasUtf16Mark(absl::string_view bytes) {
  return absl::StartsWith(bytes, "\xFF\xFE") || absl::StartsWith(bytes, "\xFE\xFF");
}

// Text has hardly any control characters.
bool LooksLikeText(absl::string_view head) {
  const auto controls = std::count_if(head.begin(), head.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t' && byte != '\f' &&
           byte != '\v' && byte != 0x1B;
  });
  return static_cast<std::size_t>(controls) * 50 <= head.size();
}

bool IsTextThatIsNotProse(absl::string_view type) {
  return type == "text/rtf" || type == "application/rtf" || type == "message/rfc822" ||
         type == "application/postscript" || type == "image/svg+xml" || type == "text/xml" ||
         type == "application/mbox";
}

}  // namespace

struct Sniffer::Magic {
  magic_t cookie = nullptr;
  ~Magic() {
    if (cookie != nullptr) magic_close(cookie);
  }
};

Sniffer::Sniffer() : magic_(std::make_unique<Magic>()) {
  magic_->cookie = magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR);
  if (magic_->cookie != nullptr && magic_load(magic_->cookie, nullptr) != 0) {
    magic_close(magic_->cookie);
    magic_->cookie = nullptr;
  }
}

Sniffer::~Sniffer() = default;

std::string Sniffer::AskMagic(absl::string_view bytes) {
  if (magic_->cookie == nullptr) return "";
  const char* type =
      magic_buffer(magic_->cookie, bytes.data(), std::min(bytes.size(), kMagicBytes));
  return type == nullptr ? "" : type;
}

bool LooksLikePdf(absl::string_view bytes) {
  return absl::StrContains(bytes.substr(0, 1024), "%PDF-");
}

std::string Sniffer::MediaTypeOf(absl::string_view bytes, absl::string_view name) {
  if (absl::StartsWith(bytes, "PK\x03\x04") || absl::StartsWith(bytes, "PK\x05\x06"))
    return OfficeType(bytes);
  const std::string head = TextHead(bytes);
  const bool text = LooksLikeText(head);
  if (LooksLikePdf(bytes) && !(text && LooksLikeHtml(head))) return kPdfType;
  if (!text) {
    const std::string type = AskMagic(bytes);
    return type.empty() || absl::StartsWith(type, "text/") ? "application/octet-stream" : type;
  }
  if (LooksLikeHtml(head)) return kHtmlType;
  const std::string extension = Extension(name);
  const bool markdown =
      extension == "md" || extension == "markdown" || extension == "mdown" || extension == "mkd";
  if (LooksLikeXml(head) && !markdown) {
    return absl::StrContains(absl::AsciiStrToLower(head.substr(0, 4096)), "<html") ? kHtmlType
                                                                                   : "text/xml";
  }
  if (markdown) return kMarkdownType;
  if (extension == "csv" || extension == "tsv" || extension == "tab") return kCsvType;
  if (extension == "jsonl" || extension == "ndjson") return kJsonLinesType;
  if (extension == "json" || LooksLikeJson(head)) return kJsonType;
  const std::string type = HasUtf16Mark(bytes) ? "" : AskMagic(bytes);
  if (IsTextThatIsNotProse(type)) return type;
  if (type == kCsvType && (extension.empty() || extension == "dat")) return kCsvType;
  // Text in a charset that libmagic does not know is still text; a picture is not, however few
  // control bytes it has.
  if (!type.empty() && (absl::StartsWith(type, "image/") || absl::StartsWith(type, "audio/") ||
                        absl::StartsWith(type, "video/") || absl::StartsWith(type, "font/"))) {
    return type;
  }
  return kPlainTextType;
}

}  // namespace ragmesh::document
