// What a tokenizer.json says about a WordPiece tokenizer, checked.
#ifndef RAGMESH_LIBS_TEXT_WORDPIECE_CONFIG_H_
#define RAGMESH_LIBS_TEXT_WORDPIECE_CONFIG_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/text/bert_words.h"

namespace ragmesh::text {

struct WordPieceConfig {
  absl::flat_hash_map<std::string, std::uint32_t> vocabulary;
  std::string continuing_prefix = "##";
  BertWordOptions words;
  std::uint32_t unknown_id = 0;
  std::uint32_t cls_id = 0;
  std::uint32_t sep_id = 0;
  std::uint32_t max_id = 0;  // the largest id in the vocabulary
};

// Reads the "tokenizers" JSON format, version 1.0: BertNormalizer, BertPreTokenizer, WordPiece, and
// a TemplateProcessing or BertProcessing post-processor. Truncation and padding in the file are
// training leftovers and are not applied. INVALID_ARGUMENT naming the field when something is
// missing, of the wrong type or of a kind this reader does not do.
absl::StatusOr<WordPieceConfig> ParseWordPieceConfig(absl::string_view json);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_WORDPIECE_CONFIG_H_
