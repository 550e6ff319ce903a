// Streaming XML for Office formats: expat, without any DTD, with a depth limit and names without
// their prefixes.
#ifndef RAGMESH_LIBS_DOCUMENT_XML_READER_H_
#define RAGMESH_LIBS_DOCUMENT_XML_READER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::document {

// Attributes of one element; valid during StartElement.
class XmlAttributes {
 public:
  explicit XmlAttributes(const char** names_and_values) : attributes_(names_and_values) {}

  // By name without prefix: Get("val") finds w:val. Empty when absent. A bare name wins over a
  // prefixed one.
  absl::string_view Get(absl::string_view local_name) const;
  // Only with a prefix: GetPrefixed("id") finds r:id and not id.
  absl::string_view GetPrefixed(absl::string_view local_name) const;

 private:
  const char** const attributes_;
};

// What a reader of one part implements. An error ends the parse with that error.
class XmlHandler {
 public:
  virtual ~XmlHandler() = default;
  virtual absl::Status StartElement(absl::string_view name, const XmlAttributes& attributes) = 0;
  virtual absl::Status EndElement(absl::string_view name) = 0;
  // Text may arrive in pieces.
  virtual absl::Status Text(absl::string_view /*text*/) { return absl::OkStatus(); }
};

// `part` names the XML in errors. Linear in xml.size(). MALFORMED_DOCUMENT on XML that is not
// well-formed or has a DTD.
absl::Status ParseXml(absl::string_view xml, absl::string_view part, std::uint32_t max_depth,
                      XmlHandler& handler);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_XML_READER_H_
