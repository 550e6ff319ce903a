// Text -> words, folded, and pairs of characters: rules 1 to 3 of analyzer.h.
#ifndef RAGMESH_LIBS_LEXICAL_WORD_CUTTER_H_
#define RAGMESH_LIBS_LEXICAL_WORD_CUTTER_H_

#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/unistr.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::lexical {

// Not thread-safe: ICU's iterator holds state.
class WordCutter {
 public:
  struct Word {
    std::uint32_t begin, size;  // in the folded text
    std::uint32_t position;
    bool is_pair;  // of characters
  };

  // Longer words are cut at a character boundary.
  WordCutter(const std::string& language, std::size_t max_word_bytes);
  ~WordCutter();
  WordCutter(const WordCutter&) = delete;
  WordCutter& operator=(const WordCutter&) = delete;

  // Cuts `text`, whose first word has the position `position`, and returns the position after the
  // last. What was cut before is forgotten.
  std::uint32_t Cut(absl::string_view text, std::uint32_t position);
  absl::Span<const Word> words() const { return found_; }
  // From its beginning on, TermKey::kPadding bytes can be read.
  absl::string_view TextOf(const Word& word) const {
    return absl::string_view(folded_).substr(word.begin, word.size);
  }

 private:
  class AsciiWords;

  bool LetsAtBeLetter() const;
  void CutUnicode(absl::string_view text);
  void CutAscii(absl::string_view text);
  bool EndsWord(absl::string_view text, std::size_t i) const;
  void FindParts(const icu::UnicodeString& word);
  void AppendFolded(const icu::UnicodeString& word);
  void FindWord(std::uint32_t begin, std::uint32_t end);
  void FindPairs();
  absl::string_view CutToLimit(absl::string_view word) const;

  const std::size_t max_word_bytes_;
  std::unique_ptr<icu::BreakIterator> words_;  // null: nothing is found
  const std::unique_ptr<const AsciiWords> ascii_;
  const icu::Normalizer2* fold_ = nullptr;
  // Of the text that was cut last.
  std::vector<Word> found_;
  std::string folded_;  // and TermKey::kPadding bytes
  std::uint32_t position_ = 0;
  icu::UnicodeString run_;  // neighbouring words of the pair scripts, not yet found
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_WORD_CUTTER_H_
