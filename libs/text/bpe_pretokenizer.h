// Cuts text into the words that byte-level BPE merges within. Each model family has its own rule,
// published as a regular expression; here they are hand-written matchers over Unicode categories.
#ifndef RAGMESH_LIBS_TEXT_BPE_PRETOKENIZER_H_
#define RAGMESH_LIBS_TEXT_BPE_PRETOKENIZER_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

enum class BpePretokenizer {
  kGpt2,           // 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
  kSmolLm,         // every \p{N} alone, then GPT-2 on what lies between
  kLlama3,         // (?i:'s|'t|..)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|
                   // ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
  kQwen2,          // as Llama 3 with \p{N} alone
  kDeepSeekCoder,  // [\r\n], then \s?\p{L}+, then \s?\p{P}+, then runs of CJK and Hangul, then
                   // \p{N}
};

// By the name a GGUF file gives in tokenizer.ggml.pre; nullopt for one that is not known here.
std::optional<BpePretokenizer> FindBpePretokenizer(absl::string_view name);

struct WordRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

// The words of valid UTF-8 `text`, in order, without gaps. Linear in time.
std::vector<WordRange> SplitWords(BpePretokenizer rule, absl::string_view text);

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_BPE_PRETOKENIZER_H_
