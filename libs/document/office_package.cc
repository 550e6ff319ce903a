#include "libs/document/office_package.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kMaxRelationships = 20'000;
constexpr std::size_t kMaxPropertyBytes = 1000;

// "ppt/slides/slide1.xml" + "../notesSlides/notesSlide1.xml" -> "ppt/notesSlides/notesSlide1.xml".
// Leaving the root stays at the root: names are keys into the zip.
std::string Resolve(absl::string_view part, absl::string_view target) {
  std::vector<absl::string_view> path;
  if (!absl::ConsumePrefix(&target, "/")) {
    path = absl::StrSplit(part, '/', absl::SkipEmpty());
    if (!path.empty()) path.pop_back();
  }
  for (const absl::string_view step : absl::StrSplit(target, '/', absl::SkipEmpty())) {
    if (step == "..") {
      if (!path.empty()) path.pop_back();
    } else if (step != ".") {
      path.push_back(step);
    }
  }
  return absl::StrJoin(path, "/");
}

class RelationshipReader final : public XmlHandler {
 public:
  explicit RelationshipReader(absl::string_view part) : part_(part) {}

  absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) override {
    if (name != "Relationship" || attributes.Get("TargetMode") == "External")
      return absl::OkStatus();
    if (relationships.size() >= kMaxRelationships)
      return Malformed("it has too many relationships");
    const absl::string_view type = attributes.Get("Type");
    relationships.push_back({std::string(attributes.Get("Id")),
                             std::string(type.substr(type.rfind('/') + 1)),
                             Resolve(part_, attributes.Get("Target"))});
    return absl::OkStatus();
  }
  absl::Status EndElement(absl::string_view) override { return absl::OkStatus(); }

  std::vector<Relationship> relationships;

 private:
  const std::string part_;
};

class PropertyReader final : public XmlHandler {
 public:
  explicit PropertyReader(ParsedFacts* facts) : facts_(facts) {}

  absl::Status StartElement(absl::string_view, const XmlAttributes&) override {
    text_.clear();
    return absl::OkStatus();
  }
  absl::Status EndElement(absl::string_view name) override {
    const std::string value(absl::StripAsciiWhitespace(text_));
    text_.clear();
    if (value.empty()) return absl::OkStatus();
    if (name == "title") facts_->title = value;
    if (name == "creator") facts_->properties["author"] = value;
    for (const char* kept :
         {"subject", "description", "keywords", "category", "created", "modified", "language"}) {
      if (name == kept) facts_->properties[kept] = value;
    }
    return absl::OkStatus();
  }
  absl::Status Text(absl::string_view text) override {
    if (text_.size() < kMaxPropertyBytes)
      absl::StrAppend(&text_, text.substr(0, kMaxPropertyBytes));
    return absl::OkStatus();
  }

 private:
  ParsedFacts* const facts_;
  std::string text_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<OfficePackage>> OfficePackage::Open(const ParseInput& input,
                                                                   const ParseLimits& limits) {
  RAGMESH_ASSIGN_OR_RETURN(auto zip, ZipArchive::Open(input.bytes, limits));
  return std::unique_ptr<OfficePackage>(new OfficePackage(std::move(zip), limits));
}

absl::StatusOr<std::string> OfficePackage::MainPart() {
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Relationship> relationships, RelationshipsOf(""));
  if (const Relationship* main = FindType(relationships, "officeDocument")) return main->target;
  for (const char* usual : {"word/document.xml", "ppt/presentation.xml", "xl/workbook.xml"}) {
    if (Has(usual)) return std::string(usual);
  }
  return Malformed("it has no main part");
}

absl::StatusOr<std::vector<Relationship>> OfficePackage::RelationshipsOf(const std::string& part) {
  const std::size_t slash = part.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : part.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? part : part.substr(slash + 1);
  const std::string list = absl::StrCat(folder, "_rels/", name, ".rels");
  if (!Has(list)) return std::vector<Relationship>();
  RelationshipReader reader(part);
  RAGMESH_RETURN_IF_ERROR(Parse(list, reader));
  return std::move(reader.relationships);
}

absl::Status OfficePackage::Parse(const std::string& part, XmlHandler& handler) {
  RAGMESH_ASSIGN_OR_RETURN(const std::string xml, zip_->Read(part));
  return ParseXml(xml, part, limits_.max_markup_depth, handler);
}

absl::Status OfficePackage::ReadProperties(ParsedFacts* facts) {
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<Relationship> relationships, RelationshipsOf(""));
  const Relationship* core = FindType(relationships, "core-properties");
  if (core == nullptr || !Has(core->target)) return absl::OkStatus();
  PropertyReader reader(facts);
  return Parse(core->target, reader);
}

const Relationship* FindType(const std::vector<Relationship>& relationships,
                             absl::string_view type) {
  const auto found =
      std::find_if(relationships.begin(), relationships.end(),
                   [&](const Relationship& relationship) { return relationship.type == type; });
  return found == relationships.end() ? nullptr : &*found;
}

const Relationship* FindId(const std::vector<Relationship>& relationships, absl::string_view id) {
  const auto found =
      std::find_if(relationships.begin(), relationships.end(),
                   [&](const Relationship& relationship) { return relationship.id == id; });
  return found == relationships.end() ? nullptr : &*found;
}

}  // namespace ragmesh::document
