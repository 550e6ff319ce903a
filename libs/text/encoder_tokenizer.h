// The tokenizer of a BERT-family encoder, whichever kind its tokenizer.json describes.
#ifndef RAGMESH_LIBS_TEXT_ENCODER_TOKENIZER_H_
#define RAGMESH_LIBS_TEXT_ENCODER_TOKENIZER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::text {

// A WordPieceTokenizer or a UnigramTokenizer, as model.type in the file at `path` says. Errors as
// their FromJson, with the path.
absl::StatusOr<std::unique_ptr<EncoderTokenizer>> OpenEncoderTokenizer(const std::string& path);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_ENCODER_TOKENIZER_H_
