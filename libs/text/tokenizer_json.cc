#include "libs/text/tokenizer_json.h"

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::text {

using nlohmann::json;

absl::Status BadTokenizer(absl::string_view field, absl::string_view problem) {
  return InvalidField(absl::StrCat(kTokenizerJson, " ", field), problem,
                      "Use the tokenizer.json that belongs to a BERT-family encoder.");
}

const json& Member(const json& object, const char* name) {
  static const json null;
  if (!object.is_object()) return null;
  const auto it = object.find(name);
  return it == object.end() ? null : *it;
}

std::string StringOr(const json& value, absl::string_view fallback) {
  return value.is_string() ? value.get<std::string>() : std::string(fallback);
}

absl::Status ReadEnds(const json& post_processor, std::string* first, std::string* last) {
  const std::string type = StringOr(Member(post_processor, "type"), "");
  if (type.empty()) return absl::OkStatus();
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    const json& cls = Member(post_processor, "cls");
    const json& sep = Member(post_processor, "sep");
    if (!cls.is_array() || cls.empty() || !sep.is_array() || sep.empty()) {
      return BadTokenizer("post_processor", "must have cls and sep as [token, id]");
    }
    *first = StringOr(cls[0], *first);
    *last = StringOr(sep[0], *last);
    return absl::OkStatus();
  }
  const json& single = Member(post_processor, "single");
  if (type != "TemplateProcessing" || !single.is_array()) {
    return BadTokenizer("post_processor.type",
                        "must be \"TemplateProcessing\" or \"BertProcessing\"");
  }
  const bool framed = single.size() == 3 && Member(single[0], "SpecialToken").is_object() &&
                      Member(single[1], "Sequence").is_object() &&
                      Member(single[2], "SpecialToken").is_object();
  if (!framed)
    return BadTokenizer("post_processor.single",
                        "must be one special token, the text, one special token");
  *first = StringOr(Member(Member(single[0], "SpecialToken"), "id"), *first);
  *last = StringOr(Member(Member(single[2], "SpecialToken"), "id"), *last);
  return absl::OkStatus();
}

}  // namespace ragmesh::text
