// Counts tokens without any model's vocabulary.
#ifndef RAGMESH_LIBS_TEXT_ESTIMATING_TOKENIZER_H_
#define RAGMESH_LIBS_TEXT_ESTIMATING_TOKENIZER_H_

#include <vector>

#include "absl/strings/string_view.h"
#include "libs/text/tokenizer.h"

namespace ragmesh::text {

// Four characters of a word are a token, the rule of thumb for English subword vocabularies; so is
// each ideograph, kana or Hangul syllable, and each other character that is not blank. For text
// that no model reads, where a size is wanted and not a limit kept. Ids are all 0. Stateless.
class EstimatingTokenizer final : public Tokenizer {
 public:
  void Encode(absl::string_view text, std::vector<Token>* tokens) const override;
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_ESTIMATING_TOKENIZER_H_
