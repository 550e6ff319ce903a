// PPTX: one page per slide; titles are headings, body text list items by level, tables rows, then
// charts and notes.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/document/document_parser.h"
#include "libs/document/office_package.h"

namespace ragmesh::document {
namespace {

class SlideListReader final : public XmlHandler {
 public:
  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override {
    if (name == "sldId") ids.emplace_back(attributes.GetPrefixed("id"));
    return absl::OkStatus();
  }
  absl::Status EndElement(absl::string_view) override { return absl::OkStatus(); }

  std::vector<std::string> ids;
};

struct SlideParagraph {
  std::string text;
  std::uint32_t level = 0;
};

// A shape with text, or a table.
struct Shape {
  std::string placeholder;  // "title", "body", "sldNum"; "none" outside placeholders
  std::vector<SlideParagraph> paragraphs;
  std::vector<std::vector<std::string>> rows;
  bool first_row_is_header = false;
};

class SlideReader final : public XmlHandler {
 public:
  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override {
    if (skip_ > 0 || name == "Fallback") {
      ++skip_;
      return absl::OkStatus();
    }
    std::uint32_t number = 0;
    if (name == "sp" || name == "graphicFrame" || name == "cxnSp" || name == "pic") {
      shapes.push_back({"none"});
    } else if (shapes.empty()) {
      return absl::OkStatus();
    } else if (name == "ph") {
      // A placeholder that does not say its type holds body text.
      const absl::string_view type = attributes.Get("type");
      shapes.back().placeholder = type.empty() ? "body" : std::string(type);
    } else if (name == "tblPr") {
      shapes.back().first_row_is_header =
          attributes.Get("firstRow") == "1" || attributes.Get("firstRow") == "true";
    } else if (name == "tr") {
      shapes.back().rows.emplace_back();
    } else if (name == "tc" && !shapes.back().rows.empty()) {
      in_cell_ = true;
      shapes.back().rows.back().emplace_back();
    } else if (name == "p") {
      paragraph_ = {};
    } else if (name == "pPr" && absl::SimpleAtoi(attributes.Get("lvl"), &number)) {
      paragraph_.level = std::min(number, 8u);
    } else if (name == "t") {
      in_text_ = true;
    } else if (name == "br") {
      paragraph_.text += '\n';
    } else if (name == "tab") {
      paragraph_.text += '\t';
    }
    return absl::OkStatus();
  }

  absl::Status EndElement(absl::string_view name) override {
    if (skip_ > 0) {
      --skip_;
      return absl::OkStatus();
    }
    if (name == "t") {
      in_text_ = false;
    } else if (name == "tc") {
      in_cell_ = false;
    } else if (name == "p" && !shapes.empty()) {
      SlideParagraph paragraph = std::exchange(paragraph_, {});
      if (in_cell_) {
        std::string& cell = shapes.back().rows.back().back();
        absl::StrAppend(&cell, cell.empty() ? "" : "\n", paragraph.text);
      } else {
        shapes.back().paragraphs.push_back(std::move(paragraph));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Text(absl::string_view text) override {
    if (skip_ == 0 && in_text_) absl::StrAppend(&paragraph_.text, text);
    return absl::OkStatus();
  }

  std::vector<Shape> shapes;

 private:
  std::uint32_t skip_ = 0;
  bool in_text_ = false;
  bool in_cell_ = false;
  SlideParagraph paragraph_;
};

// A chart as a table: one row per category, one column per series.
class ChartReader final : public XmlHandler {
 public:
  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override {
    if (name == "ser") {
      series_.emplace_back();
    } else if (name == "tx" || name == "cat" || name == "val" || name == "xVal" || name == "yVal") {
      if (!series_.empty()) inside_ = std::string(name);
    } else if (name == "pt") {
      point_ = 0;
      if (!absl::SimpleAtoi(attributes.Get("idx"), &point_) || point_ >= kMaxPoints)
        point_ = kMaxPoints;
    } else if (name == "v" || name == "t") {
      text_.clear();
      in_value_ = true;
    }
    return absl::OkStatus();
  }
  absl::Status EndElement(absl::string_view name) override {
    if (name == "v" || name == "t") {
      in_value_ = false;
      Take();
    } else if (name == "ser" || name == inside_) {
      inside_.clear();
    }
    return absl::OkStatus();
  }
  absl::Status Text(absl::string_view text) override {
    if (in_value_) absl::StrAppend(&text_, text);
    return absl::OkStatus();
  }

  absl::Status Write(BlockWriter& writer) const {
    RAGMESH_RETURN_IF_ERROR(writer.Paragraph(title_));
    if (series_.empty()) return absl::OkStatus();
    std::size_t rows = categories_.size();
    std::vector<std::string> header = {""};
    for (const Series& series : series_) {
      header.push_back(series.name);
      rows = std::max(rows, series.values.size());
    }
    writer.BeginTable();
    RAGMESH_RETURN_IF_ERROR(writer.Row(header, true));
    for (std::size_t i = 0; i < rows; ++i) {
      std::vector<std::string> row = {i < categories_.size() ? categories_[i] : ""};
      for (const Series& series : series_)
        row.push_back(i < series.values.size() ? series.values[i] : "");
      RAGMESH_RETURN_IF_ERROR(writer.Row(row));
    }
    writer.EndTable();
    return absl::OkStatus();
  }

 private:
  static constexpr std::uint32_t kMaxPoints = 10'000;
  struct Series {
    std::string name;
    std::vector<std::string> values;
  };

  void Take() {
    if (series_.empty()) {
      absl::StrAppend(&title_, title_.empty() ? "" : " ", text_);
      return;
    }
    if (inside_ == "tx") {
      series_.back().name = text_;
      return;
    }
    std::vector<std::string>* target = inside_ == "cat" || inside_ == "xVal" ? &categories_
                                       : inside_ == "val" || inside_ == "yVal"
                                           ? &series_.back().values
                                           : nullptr;
    if (target == nullptr || point_ >= kMaxPoints) return;
    if (target->size() <= point_) target->resize(point_ + 1);
    (*target)[point_] = text_;
  }

  std::string title_;
  std::vector<std::string> categories_;
  std::vector<Series> series_;
  std::string inside_;
  std::uint32_t point_ = 0;
  std::string text_;
  bool in_value_ = false;
};

bool IsTitle(const Shape& shape) {
  return shape.placeholder == "title" || shape.placeholder == "ctrTitle";
}
bool IsFurniture(const Shape& shape) {
  return shape.placeholder == "sldNum" || shape.placeholder == "dt" ||
         shape.placeholder == "sldImg" || shape.placeholder == "hdr";
}

absl::Status WriteShape(const Shape& shape, BlockWriter& writer) {
  if (!shape.rows.empty()) {
    writer.BeginTable();
    for (std::size_t i = 0; i < shape.rows.size(); ++i) {
      RAGMESH_RETURN_IF_ERROR(writer.Row(shape.rows[i], i == 0 && shape.first_row_is_header));
    }
    writer.EndTable();
  }
  for (const SlideParagraph& paragraph : shape.paragraphs) {
    const bool item =
        shape.placeholder == "body" || shape.placeholder == "obj" || paragraph.level > 0;
    RAGMESH_RETURN_IF_ERROR(item ? writer.ListItem(paragraph.level + 1, paragraph.text)
                                 : writer.Paragraph(paragraph.text));
  }
  return absl::OkStatus();
}

absl::Status WriteSlide(OfficePackage& package, const std::string& part, BlockWriter& writer) {
  RAGMESH_RETURN_IF_ERROR(writer.BeginPage());
  SlideReader slide;
  RAGMESH_RETURN_IF_ERROR(package.Parse(part, slide));
  for (const Shape& shape : slide.shapes) {
    if (!IsTitle(shape)) continue;
    std::string title;
    for (const SlideParagraph& paragraph : shape.paragraphs)
      absl::StrAppend(&title, title.empty() ? "" : " ", paragraph.text);
    RAGMESH_RETURN_IF_ERROR(writer.Heading(1, title));
  }
  for (const Shape& shape : slide.shapes) {
    if (!IsTitle(shape) && !IsFurniture(shape)) RAGMESH_RETURN_IF_ERROR(WriteShape(shape, writer));
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Relationship> relationships,
                           package.RelationshipsOf(part));
  for (const Relationship& relationship : relationships) {
    if (!package.Has(relationship.target)) continue;
    if (relationship.type == "chart") {
      ChartReader chart;
      RAGMESH_RETURN_IF_ERROR(package.Parse(relationship.target, chart));
      RAGMESH_RETURN_IF_ERROR(chart.Write(writer));
    } else if (relationship.type == "notesSlide") {
      SlideReader notes;
      RAGMESH_RETURN_IF_ERROR(package.Parse(relationship.target, notes));
      for (const Shape& shape : notes.shapes) {
        if (IsFurniture(shape)) continue;
        for (const SlideParagraph& paragraph : shape.paragraphs) {
          RAGMESH_RETURN_IF_ERROR(writer.Paragraph(paragraph.text));
        }
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParsePptx(const ParseInput& input, BlockWriter& writer, ParsedFacts* facts) {
  facts->parser = "pptx 1";
  RAGMESH_ASSIGN_OR_RETURN(const auto package, OfficePackage::Open(input, writer.limits()));
  RAGMESH_ASSIGN_OR_RETURN(const std::string main, package->MainPart());
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Relationship> relationships,
                           package->RelationshipsOf(main));
  RAGMESH_RETURN_IF_ERROR(package->ReadProperties(facts));
  SlideListReader slides;
  RAGMESH_RETURN_IF_ERROR(package->Parse(main, slides));
  for (const std::string& id : slides.ids) {
    const Relationship* slide = FindId(relationships, id);
    if (slide == nullptr) return Malformed("a slide in its list is missing");
    RAGMESH_RETURN_IF_ERROR(WriteSlide(*package, slide->target, writer));
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::document
