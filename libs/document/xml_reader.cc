#include "libs/document/xml_reader.h"

#include <expat.h>

#include <algorithm>
#include <memory>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/document/document_parser.h"

namespace ragmesh::document {
namespace {

constexpr std::size_t kStepBytes = 1 << 20;  // expat counts in int

absl::string_view LocalName(const char* name) {
  const absl::string_view whole(name);
  const std::size_t colon = whole.rfind(':');
  return colon == absl::string_view::npos ? whole : whole.substr(colon + 1);
}

struct Parse {
  XML_Parser parser = nullptr;
  XmlHandler* handler = nullptr;
  absl::string_view part;
  std::uint32_t max_depth = 0;
  std::uint32_t depth = 0;
  absl::Status status;

  void Take(absl::Status result) {
    if (!status.ok() || result.ok()) return;
    status = std::move(result);
    XML_StopParser(parser, XML_FALSE);
  }
};

void OnStart(void* data, const XML_Char* name, const XML_Char** attributes) {
  auto& parse = *static_cast<Parse*>(data);
  if (!parse.status.ok()) return;
  if (++parse.depth > parse.max_depth)
    return parse.Take(TooDeep(absl::StrCat("the XML of ", parse.part), parse.max_depth));
  parse.Take(parse.handler->StartElement(LocalName(name), XmlAttributes(attributes)));
}

void OnEnd(void* data, const XML_Char* name) {
  auto& parse = *static_cast<Parse*>(data);
  if (!parse.status.ok()) return;
  --parse.depth;
  parse.Take(parse.handler->EndElement(LocalName(name)));
}

void OnText(void* data, const XML_Char* text, int size) {
  auto& parse = *static_cast<Parse*>(data);
  if (parse.status.ok())
    parse.Take(parse.handler->Text(absl::string_view(text, static_cast<std::size_t>(size))));
}

void OnDoctype(void* data, const XML_Char*, const XML_Char*, const XML_Char*, int) {
  auto& parse = *static_cast<Parse*>(data);
  parse.Take(Malformed(absl::StrCat("the XML of ", parse.part,
                                    " has a document type, which Office files never have")));
}

}  // namespace

absl::string_view XmlAttributes::Get(absl::string_view local_name) const {
  absl::string_view prefixed;
  for (const char** at = attributes_; *at != nullptr; at += 2) {
    if (absl::string_view(*at) == local_name) return at[1];
    if (LocalName(*at) == local_name) prefixed = at[1];
  }
  return prefixed;
}

absl::string_view XmlAttributes::GetPrefixed(absl::string_view local_name) const {
  for (const char** at = attributes_; *at != nullptr; at += 2) {
    if (absl::string_view(*at) != local_name && LocalName(*at) == local_name) return at[1];
  }
  return {};
}

absl::Status ParseXml(absl::string_view xml, absl::string_view part, std::uint32_t max_depth,
                      XmlHandler& handler) {
  const std::unique_ptr<std::remove_pointer_t<XML_Parser>, decltype(&XML_ParserFree)> parser(
      XML_ParserCreate(nullptr), &XML_ParserFree);
  Parse parse{parser.get(), &handler, part, max_depth};
  XML_SetUserData(parser.get(), &parse);
  XML_SetElementHandler(parser.get(), &OnStart, &OnEnd);
  XML_SetCharacterDataHandler(parser.get(), &OnText);
  XML_SetStartDoctypeDeclHandler(parser.get(), &OnDoctype);
  do {
    const std::size_t step = std::min(xml.size(), kStepBytes);
    const bool last = step == xml.size();
    if (XML_Parse(parser.get(), xml.data(), static_cast<int>(step), last ? 1 : 0) !=
        XML_STATUS_OK) {
      if (!parse.status.ok()) return parse.status;
      return Malformed(absl::StrCat("the XML of ", part, " is not well-formed (line ",
                                    XML_GetCurrentLineNumber(parser.get()), ")"));
    }
    xml.remove_prefix(step);
  } while (!xml.empty());
  return parse.status;
}

}  // namespace ragmesh::document
