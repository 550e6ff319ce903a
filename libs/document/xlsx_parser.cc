// XLSX: one page and heading per sheet. Rows without a blank row between them are one table; its
// first row is the header when all its cells are text. Values are shown as their number format
// says, formulas by their last result.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/document/cell_format.h"
#include "libs/document/document_parser.h"
#include "libs/document/office_package.h"

namespace ragmesh::document {
namespace {

constexpr std::uint32_t kMaxColumns = 16'384;   // of the format itself
constexpr std::uint32_t kMaxBlankColumns = 16;  // a wider gap starts another row of the same table

// Text of shared strings and comments: <si> or <comment>, phonetic readings left out.
class StringListReader final : public XmlHandler {
 public:
  explicit StringListReader(absl::string_view item) : item_(item) {}

  absl::Status StartElement(absl::string_view name, const XmlAttributes&) override {
    if (name == item_) strings.emplace_back();
    if (name == "rPh") ++phonetic_;
    in_text_ = name == "t" && phonetic_ == 0 && !strings.empty();
    return absl::OkStatus();
  }
  absl::Status EndElement(absl::string_view name) override {
    if (name == "rPh") --phonetic_;
    in_text_ = false;
    return absl::OkStatus();
  }
  absl::Status Text(absl::string_view text) override {
    if (in_text_) absl::StrAppend(&strings.back(), text);
    return absl::OkStatus();
  }

  std::vector<std::string> strings;

 private:
  const std::string item_;
  std::uint32_t phonetic_ = 0;
  bool in_text_ = false;
};

class StyleReader final : public XmlHandler {
 public:
  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override {
    std::uint32_t id = 0;
    if (name == "numFmt" && absl::SimpleAtoi(attributes.Get("numFmtId"), &id)) {
      custom_[id] = CellFormatOf(attributes.Get("formatCode"));
    } else if (name == "cellXfs") {
      in_cells_ = true;
    } else if (name == "xf" && in_cells_) {
      if (!absl::SimpleAtoi(attributes.Get("numFmtId"), &id)) id = 0;
      const auto custom = custom_.find(id);
      formats.push_back(custom != custom_.end() ? custom->second : BuiltInCellFormat(id));
    }
    return absl::OkStatus();
  }
  absl::Status EndElement(absl::string_view name) override {
    if (name == "cellXfs") in_cells_ = false;
    return absl::OkStatus();
  }

  std::vector<CellFormat> formats;  // by the s attribute of a cell

 private:
  std::map<std::uint32_t, CellFormat> custom_;
  bool in_cells_ = false;
};

struct Sheet {
  std::string name;
  std::string id;
};

class WorkbookReader final : public XmlHandler {
 public:
  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override {
    if (name == "sheet")
      sheets.push_back(
          {std::string(attributes.Get("name")), std::string(attributes.GetPrefixed("id"))});
    if (name == "workbookPr")
      dates_from_1904 = attributes.Get("date1904") == "1" || attributes.Get("date1904") == "true";
    return absl::OkStatus();
  }
  absl::Status EndElement(absl::string_view) override { return absl::OkStatus(); }

  std::vector<Sheet> sheets;
  bool dates_from_1904 = false;
};

// Column of "BC12", from 0; kMaxColumns when it is none.
std::uint32_t ColumnOf(absl::string_view reference) {
  std::uint32_t column = 0;
  for (const char c : reference) {
    if (c < 'A' || c > 'Z') break;
    column = column * 26 + static_cast<std::uint32_t>(c - 'A' + 1);
    if (column > kMaxColumns) return kMaxColumns;
  }
  return column == 0 ? kMaxColumns : column - 1;
}

struct Workbook {
  std::vector<std::string> strings;
  std::vector<CellFormat> formats;
  bool dates_from_1904 = false;
};

class SheetReader final : public XmlHandler {
 public:
  SheetReader(const Workbook& workbook, BlockWriter& writer)
      : workbook_(workbook), writer_(writer) {}

  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override {
    if (name == "row") {
      std::uint32_t number = 0;
      if (!absl::SimpleAtoi(attributes.Get("r"), &number)) number = last_row_ + 1;
      if (number != last_row_ + 1 || !last_row_had_text_) NewTable();
      last_row_ = number;
      row_.clear();
      row_is_text_ = true;
    } else if (name == "c") {
      column_ = ColumnOf(attributes.Get("r"));
      if (column_ == kMaxColumns) column_ = row_.empty() ? 0 : row_.back().first + 1;
      type_ = std::string(attributes.Get("t"));
      std::uint32_t style = 0;
      const bool styled =
          absl::SimpleAtoi(attributes.Get("s"), &style) && style < workbook_.formats.size();
      format_ = styled ? workbook_.formats[style] : CellFormat::kPlain;
      value_.clear();
    } else if (name == "v" || name == "t") {
      in_value_ = true;
    } else if (name == "rPh") {
      in_value_ = false;
    }
    return absl::OkStatus();
  }

  absl::Status EndElement(absl::string_view name) override {
    if (name == "v" || name == "t") {
      in_value_ = false;
    } else if (name == "c") {
      const std::string value = CellText();
      if (!absl::StripAsciiWhitespace(value).empty()) row_.emplace_back(column_, value);
    } else if (name == "row") {
      return WriteRow();
    }
    return absl::OkStatus();
  }

  absl::Status Text(absl::string_view text) override {
    if (in_value_) absl::StrAppend(&value_, text);
    return absl::OkStatus();
  }

 private:
  void NewTable() {
    writer_.EndTable();
    writer_.BeginTable();
    first_row_ = true;
  }

  std::string CellText() {
    if (value_.empty()) return "";
    if (type_ == "s") {
      std::uint32_t index = 0;
      return absl::SimpleAtoi(value_, &index) && index < workbook_.strings.size()
                 ? workbook_.strings[index]
                 : "";
    }
    if (type_ == "b") return value_ == "1" ? "TRUE" : "FALSE";
    if (type_ == "str" || type_ == "inlineStr" || type_ == "e" || type_ == "d") return value_;
    row_is_text_ = false;
    return FormatNumber(value_, format_, workbook_.dates_from_1904);
  }

  absl::Status WriteRow() {
    last_row_had_text_ = !row_.empty();
    if (row_.empty()) return absl::OkStatus();
    if (first_row_) left_ = row_.front().first;
    left_ = std::min(left_, row_.front().first);
    std::vector<std::string> cells;
    std::uint32_t next = left_;
    for (auto& [column, text] : row_) {
      if (column < next) continue;  // cells out of order repeat a place
      if (column - next > kMaxBlankColumns && !cells.empty()) {
        RAGMESH_RETURN_IF_ERROR(writer_.Row(std::exchange(cells, {})));
        row_is_text_ = false;
        next = column;
      }
      while (next < column) {
        cells.emplace_back();
        ++next;
      }
      cells.push_back(std::move(text));
      ++next;
    }
    const bool header =
        std::exchange(first_row_, false) && row_is_text_ && row_.size() == cells.size();
    return writer_.Row(cells, header);
  }

  const Workbook& workbook_;
  BlockWriter& writer_;
  std::uint32_t last_row_ = 0;
  bool last_row_had_text_ = false;
  bool first_row_ = true;
  std::uint32_t left_ = 0;  // first column of the table
  std::vector<std::pair<std::uint32_t, std::string>> row_;
  bool row_is_text_ = true;
  std::uint32_t column_ = 0;
  std::string type_;
  CellFormat format_ = CellFormat::kPlain;
  std::string value_;
  bool in_value_ = false;
};

absl::Status WriteSheet(OfficePackage& package, const Sheet& sheet, const Relationship& part,
                        const Workbook& workbook, BlockWriter& writer) {
  RAGMESH_RETURN_IF_ERROR(writer.BeginPage());
  RAGMESH_RETURN_IF_ERROR(writer.Heading(1, sheet.name));
  if (part.type == "worksheet") {
    SheetReader reader(workbook, writer);
    RAGMESH_RETURN_IF_ERROR(package.Parse(part.target, reader));
    writer.EndTable();
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Relationship> relationships,
                           package.RelationshipsOf(part.target));
  for (const Relationship& relationship : relationships) {
    if (relationship.type != "comments" || !package.Has(relationship.target)) continue;
    StringListReader comments("comment");
    RAGMESH_RETURN_IF_ERROR(package.Parse(relationship.target, comments));
    for (const std::string& comment : comments.strings)
      RAGMESH_RETURN_IF_ERROR(writer.Paragraph(comment));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseXlsx(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "xlsx 1";
  RAGMESH_ASSIGN_OR_RETURN(const auto package, OfficePackage::Open(input, writer.limits()));
  RAGMESH_ASSIGN_OR_RETURN(const std::string main, package->MainPart());
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Relationship> relationships,
                           package->RelationshipsOf(main));
  RAGMESH_RETURN_IF_ERROR(package->ReadProperties(facts));
  WorkbookReader list;
  RAGMESH_RETURN_IF_ERROR(package->Parse(main, list));
  Workbook workbook;
  workbook.dates_from_1904 = list.dates_from_1904;
  if (const Relationship* part = FindType(relationships, "sharedStrings");
      part && package->Has(part->target)) {
    StringListReader strings("si");
    RAGMESH_RETURN_IF_ERROR(package->Parse(part->target, strings));
    workbook.strings = std::move(strings.strings);
  }
  if (const Relationship* part = FindType(relationships, "styles");
      part && package->Has(part->target)) {
    StyleReader styles;
    RAGMESH_RETURN_IF_ERROR(package->Parse(part->target, styles));
    workbook.formats = std::move(styles.formats);
  }
  for (const Sheet& sheet : list.sheets) {
    const Relationship* part = FindId(relationships, sheet.id);
    if (part == nullptr) return Malformed("a sheet in its list is missing");
    RAGMESH_RETURN_IF_ERROR(WriteSheet(*package, sheet, *part, workbook, writer));
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::document
