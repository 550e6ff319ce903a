#include "libs/text/bert_words.h"

#include <algorithm>
#include <string>
#include <vector>

#include "libs/text/bert_characters.h"
#include "libs/text/utf8.h"

namespace ragmesh::text {
namespace {

struct Sourced {
  char32_t c;
  int combining_class;
  std::uint32_t begin;
  std::uint32_t end;
};

// Collects characters into words. Characters pass through three steps: decomposition (with
// canonical order among marks that survive), lower case, and the split.
class Reader {
 public:
  Reader(const BertWordOptions& options, absl::FunctionRef<void(const BertWord&)> on_word)
      : options_(options), on_word_(on_word) {}

  void Read(absl::string_view text) {
    for (std::size_t i = 0; i < text.size();) {
      const CodePoint point = DecodeUtf8(text, i);
      const auto begin = static_cast<std::uint32_t>(i);
      i += point.size;
      Take(point.value, begin, static_cast<std::uint32_t>(i));
    }
    EndWord();
  }

 private:
  void Take(char32_t c, std::uint32_t begin, std::uint32_t end) {
    if (options_.clean_text && IsBertDropped(c)) return;
    if (IsBertSpace(c)) return EndWord();
    const bool alone = options_.split_ideographs && IsBertIdeograph(c);
    if (alone) EndWord();
    if (options_.strip_accents) {
      Decompose(c, begin, end);
    } else {
      Lower(c, begin, end);
    }
    if (alone) EndWord();
  }

  void Decompose(char32_t c, std::uint32_t begin, std::uint32_t end) {
    if (c < 0x80) {
      FlushMarks();
      return Lower(c, begin, end);
    }
    char32_t parts[kMaxDecomposition];
    const int count = DecomposeCanonically(c, parts);
    for (int i = 0; i < count; ++i) {
      const int combining_class = CombiningClass(parts[i]);
      // A run of marks is put in order as a whole. The bound keeps a hostile run from being held in
      // memory; no word that long is ever looked up.
      if (combining_class == 0 || marks_.size() > options_.max_characters) FlushMarks();
      if (IsNonSpacingMark(parts[i])) continue;
      if (combining_class == 0) {
        Lower(parts[i], begin, end);
      } else {
        marks_.push_back({parts[i], combining_class, begin, end});
      }
    }
  }

  void FlushMarks() {
    if (marks_.empty()) return;
    std::stable_sort(marks_.begin(), marks_.end(), [](const Sourced& a, const Sourced& b) {
      return a.combining_class < b.combining_class;
    });
    for (const Sourced& mark : marks_) Lower(mark.c, mark.begin, mark.end);
    marks_.clear();
  }

  void Lower(char32_t c, std::uint32_t begin, std::uint32_t end) {
    if (!options_.lowercase) return Split(c, begin, end);
    char32_t lower[2];
    const int count = ToLower(c, lower);
    for (int i = 0; i < count; ++i) Split(lower[i], begin, end);
  }

  void Split(char32_t c, std::uint32_t begin, std::uint32_t end) {
    if (IsBertSpace(c)) return Emit();
    if (!IsBertPunctuation(c)) return Append(c, begin, end);
    Emit();
    Append(c, begin, end);
    Emit();
  }

  void Append(char32_t c, std::uint32_t begin, std::uint32_t end) {
    if (count_++ == 0) begin_ = begin, end_ = end;
    begin_ = std::min(begin_, begin);
    end_ = std::max(end_, end);
    if (count_ > options_.max_characters) return;
    AppendUtf8(c, &bytes_);
    characters_.push_back({static_cast<std::uint32_t>(bytes_.size()), begin, end});
  }

  void EndWord() {
    FlushMarks();
    Emit();
  }

  void Emit() {
    if (count_ == 0) return;
    BertWord word;
    word.begin = begin_;
    word.end = end_;
    word.too_long = count_ > options_.max_characters;
    if (!word.too_long) {
      word.bytes = bytes_;
      word.characters = characters_;
    }
    on_word_(word);
    bytes_.clear();
    characters_.clear();
    count_ = 0;
  }

  const BertWordOptions& options_;
  const absl::FunctionRef<void(const BertWord&)> on_word_;
  std::vector<Sourced> marks_;  // combining characters that wait for the end of their run
  std::string bytes_;
  std::vector<BertCharacter> characters_;
  std::size_t count_ = 0;  // characters of the word so far, kept or not
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
};

}  // namespace

void ForEachBertWord(absl::string_view text, const BertWordOptions& options,
                     absl::FunctionRef<void(const BertWord&)> on_word) {
  Reader(options, on_word).Read(text);
}

}  // namespace ragmesh::text
