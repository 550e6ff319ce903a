// Parts of a tokenizer.json that several kinds of tokenizer share.
#ifndef RAGMESH_LIBS_TEXT_TOKENIZER_JSON_H_
#define RAGMESH_LIBS_TEXT_TOKENIZER_JSON_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::text {

inline constexpr char kTokenizerJson[] = "tokenizer.json";
inline constexpr std::uint64_t kMaxVocabulary =
    4'000'000;  // largest public vocabularies have 256 thousand

// INVALID_ARGUMENT naming the member of tokenizer.json.
absl::Status BadTokenizer(absl::string_view field, absl::string_view problem);

// The member, or null when `object` is not an object or has none of that name.
const nlohmann::json& Member(const nlohmann::json& object, const char* name);

std::string StringOr(const nlohmann::json& value, absl::string_view fallback);

// The tokens around one text, "[CLS]" and "[SEP]" or "<s>" and "</s>", of a TemplateProcessing,
// BertProcessing or RobertaProcessing post-processor; without one they stay what they are.
absl::Status ReadEnds(const nlohmann::json& post_processor, std::string* first, std::string* last);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_TOKENIZER_JSON_H_
