// DOCX: paragraphs, headings by style, lists, tables, text boxes, then headers, footers, notes and
// comments. Deleted text of tracked changes is left out, inserted text kept.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/document/document_parser.h"
#include "libs/document/office_package.h"

namespace ragmesh::document {
namespace {

constexpr std::uint32_t kMaxGridSpan = 100;

struct Style {
  std::string based_on;
  std::uint32_t heading_level = 0;  // 0: no heading
  bool in_list = false;
};

using Styles = std::map<std::string, Style>;

bool IsOff(absl::string_view value) { return value == "0" || value == "false" || value == "off"; }

class StyleReader final : public XmlHandler {
 public:
  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override {
    if (name == "style") {
      current_ = attributes.Get("type") == "paragraph"
                     ? &styles[std::string(attributes.Get("styleId"))]
                     : nullptr;
    }
    if (current_ == nullptr) return absl::OkStatus();
    const absl::string_view value = attributes.Get("val");
    std::uint32_t level = 0;
    if (name == "name") {
      const std::string style = absl::AsciiStrToLower(value);
      absl::string_view rest = style;
      if (style == "title") {
        current_->heading_level = 1;
      } else if (absl::ConsumePrefix(&rest, "heading ") && absl::SimpleAtoi(rest, &level) &&
                 level >= 1) {
        current_->heading_level = std::min(level, 6u);
      }
    } else if (name == "basedOn") {
      current_->based_on = std::string(value);
    } else if (name == "outlineLvl" && absl::SimpleAtoi(value, &level) && level < 9 &&
               current_->heading_level == 0) {
      current_->heading_level = std::min(level + 1, 6u);
    } else if (name == "numId") {
      current_->in_list = value != "0";
    }
    return absl::OkStatus();
  }
  absl::Status EndElement(absl::string_view name) override {
    if (name == "style") current_ = nullptr;
    return absl::OkStatus();
  }

  Styles styles;

 private:
  Style* current_ = nullptr;
};

// A style inherits what it does not say. Chains in real files are short; a longer one is a loop.
void Inherit(Styles& styles) {
  for (auto& [id, style] : styles) {
    std::string parent = style.based_on;
    for (int hops = 0; hops < 16 && !parent.empty() && style.heading_level == 0; ++hops) {
      const auto found = styles.find(parent);
      if (found == styles.end()) break;
      style.heading_level = found->second.heading_level;
      style.in_list = style.in_list || found->second.in_list;
      parent = found->second.based_on;
    }
  }
}

// Reads a body, a header, a footer, notes or comments: they are made of the same elements.
class BodyReader final : public XmlHandler {
 public:
  BodyReader(const Styles& styles, BlockWriter& writer, bool headings)
      : styles_(styles), writer_(writer), headings_(headings) {}

  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override;
  absl::Status EndElement(absl::string_view name) override;
  absl::Status Text(absl::string_view text) override {
    if (skip_ == 0 && in_text_ && !paragraphs_.empty())
      absl::StrAppend(&paragraphs_.back().text, text);
    return absl::OkStatus();
  }

 private:
  struct Paragraph {
    std::string text;
    std::string style;
    std::uint32_t outline = 0;     // level stated by the paragraph itself
    std::uint32_t list_level = 0;  // 0: no list
    bool no_list = false;          // numbering switched off
  };
  struct Table {
    std::vector<std::string> row;
    std::string cell;
    bool header_row = false;
    bool first_row_is_header = false;
    bool any_row = false;
    std::uint32_t grid_span = 1;
  };

  static bool IsSkipped(absl::string_view name) {
    // Fallback repeats the content of Choice for old programs; instrText holds field codes; the
    // rest is never shown.
    return name == "Fallback" || name == "instrText" || name == "delText" || name == "del" ||
           name == "moveFrom" || name == "posOffset" || name == "pPrChange" ||
           name == "rPrChange" || name == "sectPrChange";
  }
  absl::Status EndParagraph();
  absl::Status EndRow();

  const Styles& styles_;
  BlockWriter& writer_;
  const bool headings_;
  std::uint32_t skip_ = 0;
  bool in_text_ = false;
  bool in_paragraph_properties_ = false;
  std::vector<Paragraph> paragraphs_;  // a text box is a paragraph inside a paragraph
  std::vector<Table> tables_;
};

absl::Status BodyReader::StartElement(absl::string_view name, const XmlAttributes& attributes) {
  if (skip_ > 0 || IsSkipped(name)) {
    ++skip_;
    return absl::OkStatus();
  }
  Paragraph* paragraph = paragraphs_.empty() ? nullptr : &paragraphs_.back();
  Table* table = tables_.empty() ? nullptr : &tables_.back();
  const absl::string_view value = attributes.Get("val");
  std::uint32_t number = 0;
  if (name == "t") {
    in_text_ = true;
  } else if (name == "p") {
    paragraphs_.emplace_back();
  } else if (name == "pPr") {
    in_paragraph_properties_ = true;
  } else if (name == "tbl") {
    tables_.emplace_back();
    if (tables_.size() == 1) writer_.BeginTable();
  } else if (name == "tc" && table != nullptr) {
    table->cell.clear();
    table->grid_span = 1;
  } else if (name == "gridSpan" && table != nullptr && absl::SimpleAtoi(value, &number)) {
    table->grid_span = std::clamp<std::uint32_t>(number, 1, kMaxGridSpan);
  } else if (name == "tblHeader" && table != nullptr) {
    table->header_row = !IsOff(value);
  } else if (name == "tblLook" && table != nullptr) {
    std::uint32_t flags = 0;
    const absl::string_view first_row = attributes.Get("firstRow");
    const bool by_flags = absl::SimpleHexAtoi(value, &flags) && (flags & 0x20) != 0;
    table->first_row_is_header = first_row.empty() ? by_flags : !IsOff(first_row);
  } else if (paragraph != nullptr) {
    if (name == "tab" && !in_paragraph_properties_) {
      paragraph->text += '\t';
    } else if (name == "br" || name == "cr") {
      paragraph->text += '\n';
    } else if (name == "noBreakHyphen") {
      paragraph->text += '-';
    } else if (in_paragraph_properties_ && name == "pStyle") {
      paragraph->style = std::string(value);
    } else if (in_paragraph_properties_ && name == "outlineLvl" &&
               absl::SimpleAtoi(value, &number) && number < 9) {
      paragraph->outline = std::min(number + 1, 6u);
    } else if (in_paragraph_properties_ && name == "ilvl" && absl::SimpleAtoi(value, &number)) {
      paragraph->list_level = std::min(number, 8u) + 1;
    } else if (in_paragraph_properties_ && name == "numId") {
      if (value == "0") {
        paragraph->no_list = true;
      } else if (paragraph->list_level == 0) {
        paragraph->list_level = 1;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status BodyReader::EndElement(absl::string_view name) {
  if (skip_ > 0) {
    --skip_;
    return absl::OkStatus();
  }
  if (name == "t") {
    in_text_ = false;
  } else if (name == "pPr") {
    in_paragraph_properties_ = false;
  } else if (name == "p" && !paragraphs_.empty()) {
    return EndParagraph();
  } else if (name == "tc" && !tables_.empty()) {
    Table& table = tables_.back();
    table.row.push_back(std::exchange(table.cell, {}));
    table.row.resize(table.row.size() + table.grid_span - 1);
  } else if (name == "tr" && !tables_.empty()) {
    return EndRow();
  } else if (name == "tbl" && !tables_.empty()) {
    tables_.pop_back();
    if (tables_.empty()) writer_.EndTable();
  }
  return absl::OkStatus();
}

absl::Status BodyReader::EndParagraph() {
  const Paragraph paragraph = std::move(paragraphs_.back());
  paragraphs_.pop_back();
  if (!tables_.empty()) {
    absl::StrAppend(&tables_.back().cell, tables_.back().cell.empty() ? "" : "\n", paragraph.text);
    return absl::OkStatus();
  }
  const auto style = styles_.find(paragraph.style);
  const std::uint32_t styled = style == styles_.end() ? 0 : style->second.heading_level;
  const std::uint32_t level = paragraph.outline != 0 ? paragraph.outline : styled;
  if (level != 0 && headings_) return writer_.Heading(level, paragraph.text);
  const bool styled_list = style != styles_.end() && style->second.in_list;
  if (!paragraph.no_list && (paragraph.list_level != 0 || styled_list)) {
    return writer_.ListItem(std::max(paragraph.list_level, 1u), paragraph.text);
  }
  return writer_.Paragraph(paragraph.text);
}

absl::Status BodyReader::EndRow() {
  Table& table = tables_.back();
  const std::vector<std::string> row = std::exchange(table.row, {});
  const bool header = !table.any_row && (table.header_row || table.first_row_is_header);
  table.any_row = true;
  table.header_row = false;
  if (tables_.size() == 1) return writer_.Row(row, header);
  // A table in a cell becomes lines of that cell.
  std::string line;
  for (const std::string& cell : row) absl::StrAppend(&line, line.empty() ? "" : " ", cell);
  std::string& outer = tables_[tables_.size() - 2].cell;
  absl::StrAppend(&outer, outer.empty() ? "" : "\n", line);
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseDocx(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "docx 1";
  RAGMESH_ASSIGN_OR_RETURN(const auto package, OfficePackage::Open(input, writer.limits()));
  RAGMESH_ASSIGN_OR_RETURN(const std::string main, package->MainPart());
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Relationship> relationships,
                           package->RelationshipsOf(main));
  RAGMESH_RETURN_IF_ERROR(package->ReadProperties(facts));
  StyleReader styles;
  if (const Relationship* part = FindType(relationships, "styles");
      part != nullptr && package->Has(part->target)) {
    RAGMESH_RETURN_IF_ERROR(package->Parse(part->target, styles));
  }
  Inherit(styles.styles);
  BodyReader body(styles.styles, writer, /*headings=*/true);
  RAGMESH_RETURN_IF_ERROR(package->Parse(main, body));
  std::set<std::string> seen;
  for (const char* type : {"footnotes", "endnotes", "comments", "header", "footer"}) {
    for (const Relationship& part : relationships) {
      if (part.type != type || !package->Has(part.target) || !seen.insert(part.target).second)
        continue;
      BodyReader reader(styles.styles, writer, /*headings=*/false);
      RAGMESH_RETURN_IF_ERROR(package->Parse(part.target, reader));
    }
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::document
