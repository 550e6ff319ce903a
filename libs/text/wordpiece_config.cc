#include "libs/text/wordpiece_config.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::text {
namespace {

using nlohmann::json;

constexpr char kWhat[] = "tokenizer.json";
constexpr std::uint64_t kMaxVocabulary =
    4'000'000;  // largest public vocabularies have 256 thousand
constexpr std::uint64_t kMaxWordCharacters = 10'000;

absl::Status Bad(absl::string_view field, absl::string_view problem) {
  return InvalidField(absl::StrCat(kWhat, " ", field), problem,
                      "Use the tokenizer.json that belongs to a BERT-family encoder.");
}

// The member, or null when `object` is not an object or has none of that name.
const json& Member(const json& object, const char* name) {
  static const json null;
  if (!object.is_object()) return null;
  const auto it = object.find(name);
  return it == object.end() ? null : *it;
}

std::string StringOr(const json& value, absl::string_view fallback) {
  return value.is_string() ? value.get<std::string>() : std::string(fallback);
}

absl::Status ReadFlag(const json& object, const char* name, bool* flag) {
  const json& value = Member(object, name);
  if (value.is_null()) return absl::OkStatus();
  if (!value.is_boolean())
    return Bad(absl::StrCat("normalizer.", name), "must be true, false or null");
  *flag = value.get<bool>();
  return absl::OkStatus();
}

absl::Status ReadNormalizer(const json& normalizer, BertWordOptions* words) {
  if (StringOr(Member(normalizer, "type"), "") != "BertNormalizer") {
    return Bad("normalizer.type", "must be \"BertNormalizer\"");
  }
  RAGMESH_RETURN_IF_ERROR(ReadFlag(normalizer, "clean_text", &words->clean_text));
  RAGMESH_RETURN_IF_ERROR(ReadFlag(normalizer, "handle_chinese_chars", &words->split_ideographs));
  RAGMESH_RETURN_IF_ERROR(ReadFlag(normalizer, "lowercase", &words->lowercase));
  words->strip_accents = words->lowercase;  // what null means
  return ReadFlag(normalizer, "strip_accents", &words->strip_accents);
}

absl::Status ReadModel(const json& model, WordPieceConfig* config) {
  if (StringOr(Member(model, "type"), "WordPiece") != "WordPiece") {
    return Bad("model.type", "must be \"WordPiece\"");
  }
  config->continuing_prefix = StringOr(Member(model, "continuing_subword_prefix"), "##");
  if (config->continuing_prefix.empty())
    return Bad("model.continuing_subword_prefix", "must not be empty");
  const json& longest = Member(model, "max_input_chars_per_word");
  if (!longest.is_null()) {
    if (!longest.is_number_unsigned() || longest.get<std::uint64_t>() > kMaxWordCharacters) {
      return Bad("model.max_input_chars_per_word",
                 absl::StrCat("must be 0 to ", kMaxWordCharacters));
    }
    config->words.max_characters = longest.get<std::size_t>();
  }
  const json& vocabulary = Member(model, "vocab");
  if (!vocabulary.is_object() || vocabulary.empty())
    return Bad("model.vocab", "must be an object of piece to id");
  if (vocabulary.size() > kMaxVocabulary)
    return Bad("model.vocab", "has more than 4 million pieces");
  config->vocabulary.reserve(vocabulary.size());
  for (const auto& [piece, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMaxVocabulary) {
      return Bad("model.vocab", absl::StrCat("gives \"", piece.substr(0, 100),
                                             "\" an id that is not 0 to ", kMaxVocabulary - 1));
    }
    config->vocabulary.emplace(piece, id.get<std::uint32_t>());
    config->max_id = std::max(config->max_id, id.get<std::uint32_t>());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::uint32_t> IdOf(const WordPieceConfig& config, const std::string& piece,
                                   absl::string_view field) {
  const auto it = config.vocabulary.find(piece);
  if (it == config.vocabulary.end()) {
    return Bad(field, absl::StrCat("names \"", piece.substr(0, 100),
                                   "\", which model.vocab does not have"));
  }
  return it->second;
}

// The tokens around one text: "[CLS]" and "[SEP]" in every BERT, under whatever name.
absl::Status ReadEnds(const json& post_processor, std::string* first, std::string* last) {
  const std::string type = StringOr(Member(post_processor, "type"), "");
  if (type.empty()) return absl::OkStatus();
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    const json& cls = Member(post_processor, "cls");
    const json& sep = Member(post_processor, "sep");
    if (!cls.is_array() || cls.empty() || !sep.is_array() || sep.empty()) {
      return Bad("post_processor", "must have cls and sep as [token, id]");
    }
    *first = StringOr(cls[0], *first);
    *last = StringOr(sep[0], *last);
    return absl::OkStatus();
  }
  const json& single = Member(post_processor, "single");
  if (type != "TemplateProcessing" || !single.is_array()) {
    return Bad("post_processor.type", "must be \"TemplateProcessing\" or \"BertProcessing\"");
  }
  const bool framed = single.size() == 3 && Member(single[0], "SpecialToken").is_object() &&
                      Member(single[1], "Sequence").is_object() &&
                      Member(single[2], "SpecialToken").is_object();
  if (!framed)
    return Bad("post_processor.single", "must be one special token, the text, one special token");
  *first = StringOr(Member(Member(single[0], "SpecialToken"), "id"), *first);
  *last = StringOr(Member(Member(single[2], "SpecialToken"), "id"), *last);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<WordPieceConfig> ParseWordPieceConfig(absl::string_view bytes) {
  RAGMESH_ASSIGN_OR_RETURN(const json root, ParseBoundedJson(bytes, kWhat, JsonLimits{}));
  if (!root.is_object()) return Bad("root", "must be an object");
  WordPieceConfig config;
  RAGMESH_RETURN_IF_ERROR(ReadNormalizer(Member(root, "normalizer"), &config.words));
  if (StringOr(Member(Member(root, "pre_tokenizer"), "type"), "") != "BertPreTokenizer") {
    return Bad("pre_tokenizer.type", "must be \"BertPreTokenizer\"");
  }
  RAGMESH_RETURN_IF_ERROR(ReadModel(Member(root, "model"), &config));
  std::string first = "[CLS]", last = "[SEP]";
  RAGMESH_RETURN_IF_ERROR(ReadEnds(Member(root, "post_processor"), &first, &last));
  const std::string unknown = StringOr(Member(Member(root, "model"), "unk_token"), "[UNK]");
  RAGMESH_ASSIGN_OR_RETURN(config.unknown_id, IdOf(config, unknown, "model.unk_token"));
  RAGMESH_ASSIGN_OR_RETURN(config.cls_id, IdOf(config, first, "post_processor"));
  RAGMESH_ASSIGN_OR_RETURN(config.sep_id, IdOf(config, last, "post_processor"));
  return config;
}

}  // namespace ragmesh::text
