// What DOCX, PPTX and XLSX share: parts in a zip, tied together by relationships.
#ifndef RAGMESH_LIBS_DOCUMENT_OFFICE_PACKAGE_H_
#define RAGMESH_LIBS_DOCUMENT_OFFICE_PACKAGE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/document/document_parser.h"
#include "libs/document/xml_reader.h"
#include "libs/document/zip_archive.h"

namespace ragmesh::document {

struct Relationship {
  std::string id;
  std::string type;    // last segment of the type URI: "slide", "notesSlide"
  std::string target;  // name of the part; external targets are left out
};

class OfficePackage {
 public:
  static absl::StatusOr<std::unique_ptr<OfficePackage>> Open(const ParseInput& input,
                                                             const ParseLimits& limits);

  // The part the package is about: word/document.xml, ppt/presentation.xml, xl/workbook.xml.
  absl::StatusOr<std::string> MainPart();

  // Relationships of `part`, in file order; none when it has no list of them. "" for the package
  // itself.
  absl::StatusOr<std::vector<Relationship>> RelationshipsOf(const std::string& part);

  bool Has(const std::string& part) const { return zip_->Has(part); }
  absl::Status Parse(const std::string& part, XmlHandler& handler);

  // Title, author, dates and so on from docProps/core.xml; a package without it has none.
  absl::Status ReadProperties(ParsedFacts* facts);

 private:
  OfficePackage(std::unique_ptr<ZipArchive> zip, const ParseLimits& limits)
      : zip_(std::move(zip)), limits_(limits) {}

  const std::unique_ptr<ZipArchive> zip_;
  const ParseLimits limits_;
};

// First relationship of a type, or null.
const Relationship* FindType(const std::vector<Relationship>& relationships,
                             absl::string_view type);
const Relationship* FindId(const std::vector<Relationship>& relationships, absl::string_view id);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_OFFICE_PACKAGE_H_
