// Template source -> tokens, with the whitespace rules that Hugging Face sets: trim_blocks and
// lstrip_blocks.
#ifndef RAGMESH_LIBS_CHAT_TEMPLATE_LEXER_H_
#define RAGMESH_LIBS_CHAT_TEMPLATE_LEXER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ragmesh::chat_template {

enum class TokenType {
  kData,
  kPrintBegin,
  kPrintEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kFloat,
  kOperator,
  kEnd
};

struct Token {
  TokenType type = TokenType::kEnd;
  std::string text;  // data, name, operator, digits, or a string's value
  int line = 1;
};

// INVALID_ARGUMENT / BAD_TEMPLATE with the line. The last token is kEnd.
absl::StatusOr<std::vector<Token>> Tokenise(absl::string_view source);

// The error every part of the compiler gives.
absl::Status BadTemplate(int line, absl::string_view problem);

}  // namespace ragmesh::chat_template

#endif  // RAGMESH_LIBS_CHAT_TEMPLATE_LEXER_H_
