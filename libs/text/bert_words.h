// Text -> the words BERT sees: cleaned, lower-cased, without accents, split at spaces, punctuation
// and ideographs.
#ifndef RAGMESH_LIBS_TEXT_BERT_WORDS_H_
#define RAGMESH_LIBS_TEXT_BERT_WORDS_H_

#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::text {

struct BertWordOptions {
  bool clean_text = true;        // drop controls and formats
  bool split_ideographs = true;  // each ideograph is a word
  bool strip_accents = true;     // canonical decomposition, then non-spacing marks go
  bool lowercase = true;
  std::size_t max_characters = 100;  // longer words are reported without their characters
};

// One character of a word: where it ends in the word's own bytes, and where it came from in the
// input.
struct BertCharacter {
  std::uint32_t word_end = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

struct BertWord {
  absl::string_view bytes;                     // normalised UTF-8; empty when too long
  absl::Span<const BertCharacter> characters;  // one per character of `bytes`
  std::uint32_t begin = 0;                     // in the input
  std::uint32_t end = 0;
  bool too_long = false;  // more than max_characters
};

// Calls `on_word` for each word of `text` in order; its argument lives as long as the call. Works
// in one pass with memory for one word, so a text without any space costs no more than another.
void ForEachBertWord(absl::string_view text, const BertWordOptions& options,
                     absl::FunctionRef<void(const BertWord&)> on_word);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_BERT_WORDS_H_
