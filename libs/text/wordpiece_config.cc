#include "libs/text/wordpiece_config.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/text/bounded_json.h"
#include "libs/text/tokenizer_json.h"

namespace ragmesh::text {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxWordCharacters = 10'000;

absl::Status ReadFlag(const json& object, const char* name, bool* flag) {
  const json& value = Member(object, name);
  if (value.is_null()) return absl::OkStatus();
  if (!value.is_boolean())
    return BadTokenizer(absl::StrCat("normalizer.", name), "must be true, false or null");
  *flag = value.get<bool>();
  return absl::OkStatus();
}

absl::Status ReadNormalizer(const json& normalizer, BertWordOptions* words) {
  if (StringOr(Member(normalizer, "type"), "") != "BertNormalizer") {
    return BadTokenizer("normalizer.type", "must be \"BertNormalizer\"");
  }
  RAGMESH_RETURN_IF_ERROR(ReadFlag(normalizer, "clean_text", &words->clean_text));
  RAGMESH_RETURN_IF_ERROR(ReadFlag(normalizer, "handle_chinese_chars", &words->split_ideographs));
  RAGMESH_RETURN_IF_ERROR(ReadFlag(normalizer, "lowercase", &words->lowercase));
  words->strip_accents = words->lowercase;  // what null means
  return ReadFlag(normalizer, "strip_accents", &words->strip_accents);
}

absl::Status ReadModel(const json& model, WordPieceConfig* config) {
  if (StringOr(Member(model, "type"), "WordPiece") != "WordPiece") {
    return BadTokenizer("model.type", "must be \"WordPiece\"");
  }
  config->continuing_prefix = StringOr(Member(model, "continuing_subword_prefix"), "##");
  if (config->continuing_prefix.empty())
    return BadTokenizer("model.continuing_subword_prefix", "must not be empty");
  const json& longest = Member(model, "max_input_chars_per_word");
  if (!longest.is_null()) {
    if (!longest.is_number_unsigned() || longest.get<std::uint64_t>() > kMaxWordCharacters) {
      return BadTokenizer("model.max_input_chars_per_word",
                          absl::StrCat("must be 0 to ", kMaxWordCharacters));
    }
    config->words.max_characters = longest.get<std::size_t>();
  }
  const json& vocabulary = Member(model, "vocab");
  if (!vocabulary.is_object() || vocabulary.empty())
    return BadTokenizer("model.vocab", "must be an object of piece to id");
  if (vocabulary.size() > kMaxVocabulary)
    return BadTokenizer("model.vocab", "has more than 4 million pieces");
  config->vocabulary.reserve(vocabulary.size());
  for (const auto& [piece, id] : vocabulary.items()) {
    if (!id.is_number_unsigned() || id.get<std::uint64_t>() >= kMaxVocabulary) {
      return BadTokenizer("model.vocab",
                          absl::StrCat("gives \"", piece.substr(0, 100),
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
    return BadTokenizer(field, absl::StrCat("names \"", piece.substr(0, 100),
                                            "\", which model.vocab does not have"));
  }
  return it->second;
}

}  // namespace

absl::StatusOr<WordPieceConfig> ParseWordPieceConfig(absl::string_view bytes) {
  RAGMESH_ASSIGN_OR_RETURN(const json root, ParseBoundedJson(bytes, kTokenizerJson, JsonLimits{}));
  if (!root.is_object()) return BadTokenizer("root", "must be an object");
  WordPieceConfig config;
  RAGMESH_RETURN_IF_ERROR(ReadNormalizer(Member(root, "normalizer"), &config.words));
  if (StringOr(Member(Member(root, "pre_tokenizer"), "type"), "") != "BertPreTokenizer") {
    return BadTokenizer("pre_tokenizer.type", "must be \"BertPreTokenizer\"");
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
