// Tokens that are never long.
#ifndef RAGMESH_LIBS_CHUNKING_SIZED_TOKENS_H_
#define RAGMESH_LIBS_CHUNKING_SIZED_TOKENS_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::chunking {

// The tokens of another tokenizer, those over kMaxTokenBytes cut into several. A vocabulary may
// make one token of an unknown word however long; counted like that, a chunk of base64 would grow
// without bound. Never counts fewer tokens than the tokenizer it reads with, which is borrowed.
class SizedTokens final : public text::Tokenizer {
 public:
  static constexpr std::uint32_t kMaxTokenBytes = 64;

  explicit SizedTokens(const text::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  void Encode(absl::string_view text, std::vector<text::Token>* tokens) const override;

 private:
  const text::Tokenizer& tokenizer_;
};

}  // namespace ragmesh::chunking

#endif  // RAGMESH_LIBS_CHUNKING_SIZED_TOKENS_H_
