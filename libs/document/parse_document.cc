#include "libs/document/parse_document.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/document/block_writer.h"
#include "libs/document/charset.h"
#include "libs/document/document_parser.h"
#include "libs/document/language.h"
#include "libs/document/normalise.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kMaxTitleBytes = 500;
constexpr std::size_t kMaxPropertyBytes = 2000;
constexpr std::size_t kMaxProperties = 64;

using Parser = absl::Status (*)(const ParseInput&, BlockWriter&, ParsedFacts*);

struct Format {
  const char* media_type;
  Parser parser;
  bool is_text;
};

constexpr Format kFormats[] = {
    {kPlainTextType, &ParsePlainText, true},
    {kMarkdownType, &ParseMarkdown, true},
    {kHtmlType, &ParseHtml, true},
    {kCsvType, &ParseCsv, true},
    {kJsonType, &ParseJson, true},
    {kJsonLinesType, &ParseJson, true},
    {kPdfType, &ParsePdf, false},
    {kDocxType, &ParseDocx, false},
    {kPptxType, &ParsePptx, false},
    {kXlsxType, &ParseXlsx, false},
};

absl::Status Unsupported(absl::string_view media_type) {
  std::string next_step = "Send TXT, Markdown, HTML, CSV, JSON, DOCX, PPTX, XLSX or PDF.";
  if (media_type == "application/x-ole-storage" ||
      absl::StartsWith(media_type, "application/msword") ||
      absl::StartsWith(media_type, "application/vnd.ms-")) {
    next_step = "Save it as DOCX, PPTX or XLSX without a password, then send it again.";
  } else if (absl::StartsWith(media_type, "image/")) {
    next_step = "Pictures have no text layer; send the text or a PDF that has one.";
  }
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat("documents of type ", media_type, " cannot be read"),
                   {.reason = "UNSUPPORTED_MEDIA_TYPE",
                    .field = "document",
                    .next_step = next_step,
                    .metadata = {{"media_type", std::string(media_type)}}});
}

absl::Status Empty(absl::string_view what, absl::string_view next_step) {
  return MakeError(
      absl::StatusCode::kInvalidArgument, what,
      {.reason = "EMPTY_DOCUMENT", .field = "document", .next_step = std::string(next_step)});
}

std::string Shortened(absl::string_view text, std::size_t limit) {
  std::string line = Normalise(text.substr(0, 8 * limit), TextForm::kLine);
  if (line.size() <= limit) return line;
  std::size_t end = limit;
  while (end > 0 && (static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  line.resize(end);
  return line;
}

std::string BaseName(absl::string_view name) {
  const std::size_t slash = name.find_last_of("/\\");
  return std::string(slash == absl::string_view::npos ? name : name.substr(slash + 1));
}

}  // namespace

absl::StatusOr<stages::DocumentInfo> ParseDocument(
    absl::string_view bytes, const ParseOptions& options, Sniffer& sniffer,
    absl::FunctionRef<absl::Status(stages::Block)> on_block) {
  if (bytes.empty())
    return Empty("the document has no bytes", "Check that the file was written completely.");
  stages::DocumentInfo info;
  info.media_type = sniffer.MediaTypeOf(bytes, options.name);
  const auto* format = std::find_if(std::begin(kFormats), std::end(kFormats), [&](const Format& f) {
    return info.media_type == f.media_type;
  });
  if (format == std::end(kFormats)) return Unsupported(info.media_type);

  BlockWriter writer(options.limits, on_block);
  ParseInput input{bytes, options.password, options.pdfium};
  DecodedText decoded;
  if (format->is_text) {
    decoded = DecodeText(bytes, info.media_type == kHtmlType ? DeclaredHtmlCharset(bytes) : "");
    input.bytes = decoded.utf8;
    if (decoded.replaced > 0) {
      writer.Warn(absl::StrCat(decoded.replaced, " byte sequences were not ", decoded.charset,
                               " and became U+FFFD"));
    }
  }
  ParsedFacts facts;
  RAGMESH_RETURN_IF_ERROR(format->parser(input, writer, &facts));

  info.coverage = writer.TakeCoverage();
  info.coverage.bytes_in = bytes.size();
  if (info.coverage.blocks == 0) {
    return Empty(
        absl::StrCat(
            "no text was found in ", info.media_type,
            info.coverage.pages > 0 ? absl::StrCat(" with ", info.coverage.pages, " pages") : ""),
        info.media_type == kPdfType ? "It has no text layer; run OCR on it first."
                                    : "Check the document.");
  }
  info.title = Shortened(facts.title, kMaxTitleBytes);
  if (info.title.empty()) info.title = Shortened(writer.first_heading(), kMaxTitleBytes);
  if (info.title.empty()) info.title = Shortened(BaseName(options.name), kMaxTitleBytes);
  info.language = DetectLanguage(writer.sample());
  info.parser = facts.parser;
  info.normalisation = kNormalisationName;
  if (format->is_text) facts.properties["charset"] = decoded.charset;
  for (const auto& [key, value] : facts.properties) {
    if (info.properties.size() >= kMaxProperties) break;
    const std::string name = Shortened(key, 100);
    const std::string text = Shortened(value, kMaxPropertyBytes);
    if (!name.empty() && !text.empty()) info.properties[name] = text;
  }
  return info;
}

}  // namespace ragmesh::document
