#include "libs/text/encoder_tokenizer.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/mapped_file.h"
#include "libs/base/status_macros.h"
#include "libs/text/bounded_json.h"
#include "libs/text/tokenizer_json.h"
#include "libs/text/unigram_tokenizer.h"
#include "libs/text/wordpiece_tokenizer.h"

namespace ragmesh::text {
namespace {

absl::StatusOr<std::unique_ptr<EncoderTokenizer>> Read(absl::string_view bytes) {
  RAGMESH_ASSIGN_OR_RETURN(const nlohmann::json root,
                           ParseBoundedJson(bytes, kTokenizerJson, JsonLimits{}));
  if (StringOr(Member(Member(root, "model"), "type"), "") == "Unigram")
    return UnigramTokenizer::FromJson(root);
  return WordPieceTokenizer::FromJson(bytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<EncoderTokenizer>> OpenEncoderTokenizer(const std::string& path) {
  RAGMESH_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(path));
  auto tokenizer = Read(file->bytes());
  if (!tokenizer.ok()) return Annotate(tokenizer.status(), path);
  return tokenizer;
}

}  // namespace ragmesh::text
