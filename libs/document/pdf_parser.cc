// PDF by PDFium: letters with places -> runs -> paragraphs, page by page; then headings by font
// size over the whole document. Text drawn sideways to the rest of its page (stamps in the margin)
// comes after it.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/document/charset.h"
#include "libs/document/document_parser.h"
#include "libs/document/pdf_layout.h"
#include "libs/document/pdfium_library.h"

namespace ragmesh::document {
namespace {

constexpr int kMaxLettersPerPage = 2'000'000;
constexpr std::size_t kMaxHeadingText = 200;
constexpr double kHeadingGrowth = 1.12;  // a heading's size over the body's

struct PdfParagraph {
  PageParagraph content;
  int page = 0;
};

template <typename T>
using Handle = std::unique_ptr<T, void (*)(T*)>;

void AppendUtf8(unsigned int c, std::string* out) {
  if (c < 0x80) {
    out->push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (c >> 6)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (c >> 12)));
    out->push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  } else if (c < 0x110000) {
    out->push_back(static_cast<char>(0xF0 | (c >> 18)));
    out->push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (c & 0x3F)));
  }
}

absl::Status OpenError(unsigned long code, bool with_password) {
  if (code == 4 && !with_password) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, "the PDF is encrypted",
        {.reason = "PASSWORD_REQUIRED", .field = "password", .next_step = "Send its password."});
  }
  if (code == 4) {
    return MakeError(
        absl::StatusCode::kInvalidArgument, "the password does not open the PDF",
        {.reason = "WRONG_PASSWORD", .field = "password", .next_step = "Check the password."});
  }
  return Malformed(code == 5 ? "its PDF encryption is not known"
                             : "it is not a PDF that can be repaired");
}

// One page's letters, turned upright and joined to runs. Quarter turns: 0, 1 (90 degrees) and so
// on.
class RunCollector {
 public:
  RunCollector(const PdfiumFunctions& pdfium, PdfiumTextPage* page)
      : pdfium_(pdfium), page_(page) {}

  // Runs by direction of writing.
  std::array<std::vector<PageRun>, 4> Collect(int letters);
  int unmapped() const { return unmapped_; }

 private:
  struct Letter {
    double left, right, top, bottom;
    int turn;
  };
  bool Place(int index, Letter* letter) const;
  void EndRun();

  const PdfiumFunctions& pdfium_;
  PdfiumTextPage* const page_;
  std::array<std::vector<PageRun>, 4> runs_;
  PageRun run_;
  int turn_ = 0;
  int unmapped_ = 0;
};

bool RunCollector::Place(int index, Letter* letter) const {
  double left, right, bottom, top;
  if (!pdfium_.FPDFText_GetCharBox(page_, index, &left, &right, &bottom, &top)) return false;
  if (!std::isfinite(left + right + bottom + top)) return false;
  const double angle = pdfium_.FPDFText_GetCharAngle(page_, index);
  letter->turn = std::isfinite(angle) ? static_cast<int>(std::lround(angle / 1.5707963)) & 3 : 0;
  switch (letter->turn) {
    case 0:
      *letter = {left, right, -top, -bottom, 0};
      break;
    case 1:
      *letter = {-top, -bottom, -right, -left, 1};
      break;  // PDFium counts clockwise: written downwards
    case 2:
      *letter = {-right, -left, bottom, top, 2};
      break;
    default:
      *letter = {bottom, top, left, right, 3};
      break;
  }
  return true;
}

void RunCollector::EndRun() {
  while (!run_.text.empty() && run_.text.back() == ' ') run_.text.pop_back();
  if (!run_.text.empty()) runs_[static_cast<std::size_t>(turn_)].push_back(std::move(run_));
  run_ = {};
}

std::array<std::vector<PageRun>, 4> RunCollector::Collect(int letters) {
  double last_left = 0;
  double last_right = 0;
  for (int i = 0; i < letters; ++i) {
    const unsigned int c = pdfium_.FPDFText_GetUnicode(page_, i);
    if (c == '\r' || c == '\n') {
      EndRun();
      continue;
    }
    if (c == 0 || c == 0xFFFE || c == 0xFFFF ||
        pdfium_.FPDFText_HasUnicodeMapError(page_, i) == 1) {
      // 0xFFFE and 2 stand for a hyphen at a line end.
      if (pdfium_.FPDFText_IsHyphen(page_, i) == 1 && !run_.text.empty()) {
        run_.text += '-';
      } else {
        ++unmapped_;
      }
      if (c == 0 || c >= 0xFFFE) continue;
    }
    if (c == 2 && !run_.text.empty()) {
      run_.text += '-';
      continue;
    }
    if (c == ' ' || c == 0xA0) {
      if (!run_.text.empty() && run_.text.back() != ' ') run_.text += ' ';
      continue;
    }
    Letter letter;
    if (!Place(i, &letter)) continue;
    const double size =
        std::max(letter.bottom - letter.top, pdfium_.FPDFText_GetFontSize(page_, i));
    if (!run_.text.empty()) {
      const double middle = (letter.top + letter.bottom) / 2;
      const bool same_line = letter.turn == turn_ && middle > run_.top - 0.3 * size &&
                             middle < run_.bottom + 0.3 * size;
      // Right-to-left text goes back by about a letter each time; only a jump ends the run.
      const double gap =
          letter.left >= last_left ? letter.left - last_right : last_left - letter.right;
      if (!same_line || gap > 1.6 * std::max(size, run_.font_size)) EndRun();
    }
    if (run_.text.empty()) {
      turn_ = letter.turn;
      run_.left = letter.left;
      run_.right = letter.right;
      run_.top = letter.top;
      run_.bottom = letter.bottom;
      const double stated = pdfium_.FPDFText_GetFontSize(page_, i);
      run_.font_size = stated > 0 && std::isfinite(stated) ? stated : size;
      run_.bold = pdfium_.FPDFText_GetFontWeight(page_, i) >= 600;
    } else {
      run_.left = std::min(run_.left, letter.left);
      run_.right = std::max(run_.right, letter.right);
      run_.top = std::min(run_.top, letter.top);
      run_.bottom = std::max(run_.bottom, letter.bottom);
    }
    AppendUtf8(c, &run_.text);
    last_left = letter.left;
    last_right = letter.right;
  }
  EndRun();
  return std::move(runs_);
}

// The share of letters with a size decides what the body is; larger sizes are headings, largest
// first.
class HeadingSizes {
 public:
  explicit HeadingSizes(const std::vector<PdfParagraph>& paragraphs) {
    std::map<int, std::size_t> letters;  // by size in half points
    std::size_t bold = 0;
    std::size_t all = 0;
    for (const PdfParagraph& paragraph : paragraphs) {
      letters[Key(paragraph.content)] += paragraph.content.text.size();
      all += paragraph.content.text.size();
      if (paragraph.content.bold) bold += paragraph.content.text.size();
    }
    std::size_t most = 0;
    for (const auto& [size, count] : letters) {
      if (count > most) {
        most = count;
        body_ = size;
      }
    }
    bold_body_ = bold * 2 > all;
    for (const PdfParagraph& paragraph : paragraphs) {
      if (IsLarge(paragraph.content)) levels_[Key(paragraph.content)] = 0;
    }
    std::uint32_t level = 0;
    for (auto it = levels_.rbegin(); it != levels_.rend(); ++it) it->second = std::min(++level, 5u);
  }

  // 0: not a heading.
  std::uint32_t LevelOf(const PageParagraph& paragraph) const {
    if (IsLarge(paragraph)) return levels_.at(Key(paragraph));
    const bool short_line = paragraph.lines == 1 && paragraph.text.size() <= 100;
    const bool ends_openly =
        !paragraph.text.empty() && paragraph.text.back() != '.' && paragraph.text.back() != ',';
    if (paragraph.bold && !bold_body_ && short_line && ends_openly && HasLetters(paragraph.text) &&
        Key(paragraph) >= body_) {
      return std::min<std::uint32_t>(static_cast<std::uint32_t>(levels_.size()) + 1, 6);
    }
    return 0;
  }

 private:
  static int Key(const PageParagraph& paragraph) {
    return static_cast<int>(std::lround(std::clamp(paragraph.font_size, 0.0, 1000.0) * 2));
  }
  static bool HasLetters(const std::string& text) {
    return std::count_if(text.begin(), text.end(), [](char c) {
             return absl::ascii_isalpha(static_cast<unsigned char>(c)) || (c & 0x80) != 0;
           }) >= 2;
  }
  bool IsLarge(const PageParagraph& paragraph) const {
    return Key(paragraph) > body_ * kHeadingGrowth && paragraph.lines <= 3 &&
           paragraph.text.size() <= kMaxHeadingText && HasLetters(paragraph.text);
  }

  int body_ = 0;
  bool bold_body_ = false;
  std::map<int, std::uint32_t> levels_;
};

std::string MetaText(const PdfiumFunctions& pdfium, PdfiumDocument* document, const char* tag) {
  std::array<char, 2048> buffer;
  const unsigned long size = pdfium.FPDF_GetMetaText(document, tag, buffer.data(), buffer.size());
  if (size <= 2 || size > buffer.size()) return "";
  std::string utf16 = absl::StrCat("\xFF\xFE", absl::string_view(buffer.data(), size - 2));
  return DecodeText(utf16).utf8;
}

absl::Status ReadPage(const PdfiumFunctions& pdfium, PdfiumDocument* document, int index,
                      BlockWriter& writer, std::vector<PdfParagraph>* paragraphs) {
  const Handle<PdfiumPage> page(pdfium.FPDF_LoadPage(document, index), pdfium.FPDF_ClosePage);
  if (page == nullptr) {
    writer.Warn(absl::StrCat("page ", index + 1, " cannot be read"));
    return absl::OkStatus();
  }
  const Handle<PdfiumTextPage> text(pdfium.FPDFText_LoadPage(page.get()),
                                    pdfium.FPDFText_ClosePage);
  const int letters = text == nullptr ? 0 : pdfium.FPDFText_CountChars(text.get());
  if (letters > kMaxLettersPerPage) {
    return LimitExceeded(absl::StrCat("document.pages[", index, "]"), letters, kMaxLettersPerPage,
                         "letters");
  }
  RunCollector collector(pdfium, text.get());
  std::array<std::vector<PageRun>, 4> runs = collector.Collect(letters);
  if (collector.unmapped() > 0) {
    writer.Warn(absl::StrCat("page ", index + 1, ": ", collector.unmapped(),
                             " characters had no Unicode mapping"));
  }
  std::stable_sort(runs.begin(), runs.end(),
                   [](const auto& a, const auto& b) { return a.size() > b.size(); });
  for (std::vector<PageRun>& direction : runs) {
    for (PageParagraph& paragraph : LayOutPage(std::move(direction)))
      paragraphs->push_back({std::move(paragraph), index});
  }
  return absl::OkStatus();
}

std::string WithoutBullet(const std::string& text) {
  const absl::string_view view = text;
  for (const absl::string_view bullet :
       {"\u2022", "\u25CF", "\u25E6", "\u25AA", "\u25A0", "\u2023", "\u00B7", "\uF0B7", "\uF0A7"}) {
    if (view.substr(0, bullet.size()) == bullet) return std::string(view.substr(bullet.size()));
  }
  return text;
}

absl::Status WriteParagraphs(const std::vector<PdfParagraph>& paragraphs, int pages,
                             BlockWriter& writer) {
  const HeadingSizes sizes(paragraphs);
  std::size_t next = 0;
  for (int page = 0; page < pages; ++page) {
    RAGMESH_RETURN_IF_ERROR(writer.BeginPage());
    for (; next < paragraphs.size() && paragraphs[next].page == page; ++next) {
      const PageParagraph& paragraph = paragraphs[next].content;
      const std::uint32_t level = sizes.LevelOf(paragraph);
      // Lines of a page are broken by its width, not by its author; hyphens at their ends are
      // mended by the writer.
      if (level > 0) {
        RAGMESH_RETURN_IF_ERROR(writer.Heading(level, paragraph.text));
      } else if (BeginsListItem(paragraph.text)) {
        RAGMESH_RETURN_IF_ERROR(
            writer.ListItem(1, Normalise(WithoutBullet(paragraph.text), TextForm::kLine)));
      } else {
        RAGMESH_RETURN_IF_ERROR(writer.Paragraph(Normalise(paragraph.text, TextForm::kLine)));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParsePdf(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "pdfium";
  if (input.pdfium == nullptr) return PdfiumNotInstalled("it is not installed");
  const PdfiumFunctions& pdfium = input.pdfium->functions();
  const std::string password(input.password);
  const Handle<PdfiumDocument> document(
      pdfium.FPDF_LoadMemDocument64(input.bytes.data(), input.bytes.size(),
                                    password.empty() ? nullptr : password.c_str()),
      pdfium.FPDF_CloseDocument);
  if (document == nullptr) return OpenError(pdfium.FPDF_GetLastError(), !password.empty());
  facts->title = MetaText(pdfium, document.get(), "Title");
  constexpr std::pair<const char*, const char*> kTags[] = {
      {"Author", "author"},        {"Subject", "subject"},  {"Keywords", "keywords"},
      {"CreationDate", "created"}, {"ModDate", "modified"}, {"Producer", "producer"}};
  for (const auto& [tag, property] : kTags) {
    std::string value = MetaText(pdfium, document.get(), tag);
    if (!value.empty()) facts->properties[property] = std::move(value);
  }
  const int pages = pdfium.FPDF_GetPageCount(document.get());
  if (pages > static_cast<int>(writer.limits().max_pages)) {
    return LimitExceeded("document.pages", pages, writer.limits().max_pages, "pages",
                         "Split the document.");
  }
  std::vector<PdfParagraph> paragraphs;
  std::uint64_t text_bytes = 0;
  for (int page = 0; page < pages; ++page) {
    const std::size_t before = paragraphs.size();
    RAGMESH_RETURN_IF_ERROR(ReadPage(pdfium, document.get(), page, writer, &paragraphs));
    for (std::size_t i = before; i < paragraphs.size(); ++i)
      text_bytes += paragraphs[i].content.text.size();
    if (text_bytes > 2 * writer.limits().max_text_bytes) {
      return LimitExceeded("document.text", static_cast<long long>(text_bytes),
                           static_cast<long long>(2 * writer.limits().max_text_bytes), "bytes",
                           "Split the document.");
    }
  }
  return WriteParagraphs(paragraphs, pages, writer);
}

}  // namespace ragmesh::document
