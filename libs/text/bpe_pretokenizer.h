// Cuts text into the words that byte-level BPE merges within. Each model family has its own rule,
// published as one or more regular expressions; here they are matched by hand (bpe_matchers.h).
#ifndef RAGMESH_LIBS_TEXT_BPE_PRETOKENIZER_H_
#define RAGMESH_LIBS_TEXT_BPE_PRETOKENIZER_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

// Where a rule has several expressions, each cuts the pieces that those before it left, at its
// matches: a match is a piece, and so is what lies between two.
enum class BpePretokenizer {
  kDefault,      // [\p{P}$+<=>^~|]+, then GPT-2, then \p{N}+, then [0-9][0-9][0-9]
  kGpt2,         // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kSmolLm,       // \p{N}, then GPT-2
  kLlama3,       // (?i:'s|'t|..)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
                 // ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kQwen2,        // as Llama 3 with \p{N} alone
  kQwen35,       // as Qwen 2 with [\p{L}\p{M}]+ for \p{L}+
  kSeedCoder,    // as Qwen 2 without line ends after symbols
  kTekken,       // as Qwen 2 without (?i:'s|..), line ends and slashes after symbols, and for words
                 // [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|
                 // [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*
  kGpt4o,        // as Tekken with \p{N}{1,3}, and (?i:'s|..)? at the end of a word
  kFalcon,       // [\p{P}$+<=>^~|`]+, then GPT-2, then [0-9][0-9][0-9]
  kChameleon,    // the spellings of its image tokens, then [\t\n]|    |  , then \p{N}, then one of
                 // \p{P} or an ASCII symbol, then GPT-2
  kBloom,        //  ?[^(\s|.,!?…。，、।۔،)]+
  kViking,       // Bloom, then \p{N}
  kDeepSeekLlm,  // [\r\n], then \s? and cased letters, then \s? and [!-/:-~], those of full width
                 // or general punctuation, then \s+$, then runs of CJK and Hangul, then \p{N}+
  kDeepSeekCoder,  // [\r\n], then \s?\p{L}+, then \s?\p{P}+, then runs of CJK and Hangul, then
                   // \p{N}
  kDeepSeekV3,     // \p{N}{1,3}, then runs of CJK and kana, then
                   // [!-/:-@\[-`{-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+|
                   // ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
};

// What the name in a GGUF file's tokenizer.ggml.pre stands for.
struct BpeFamily {
  BpePretokenizer pretokenizer = BpePretokenizer::kDefault;
  bool whole_words_first = false;  // see BpeVocabulary
  bool adds_bos = false;           // where the file does not say
};

// nullopt for a name that is not known here.
std::optional<BpeFamily> FindBpeFamily(absl::string_view name);

struct WordRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The words of valid UTF-8 `text`, in order, without gaps. Linear in time.
std::vector<WordRange> SplitWords(BpePretokenizer rule, absl::string_view text);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_BPE_PRETOKENIZER_H_
