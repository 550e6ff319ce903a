#include "libs/text/sentences.h"

#include <unicode/ubrk.h>
#include <unicode/utext.h>

#include <algorithm>
#include <array>
#include <string>

#include "absl/strings/ascii.h"

namespace ragmesh::text {
namespace {

// Words after which a full stop seldom ends a sentence, lower case, without the stop.
constexpr std::array<absl::string_view, 48> kAbbreviations = {
    "adm",  "al",  "approx", "art",  "capt", "cf",  "ch",  "col", "corp", "dept", "dr",   "e.g",
    "eq",   "est", "etc",    "excl", "fig",  "fl",  "gen", "gov", "i.e",  "inc",  "incl", "jr",
    "lt",   "ltd", "maj",    "mr",   "mrs",  "ms",  "mt",  "no",  "nos",  "p",    "pp",   "pres",
    "prof", "ref", "rep",    "resp", "rev",  "sec", "sen", "sgt", "st",   "v",    "vol",  "vs"};

bool IsBlank(char c) { return absl::ascii_isspace(static_cast<unsigned char>(c)); }

// Whether the text up to a full stop ends with an abbreviation or an initial, so that the sentence
// goes on.
bool EndsWithAbbreviation(absl::string_view text) {
  if (text.empty() || text.back() != '.') return false;
  text.remove_suffix(1);
  std::size_t begin = text.size();
  while (begin > 0 && (absl::ascii_isalpha(static_cast<unsigned char>(text[begin - 1])) ||
                       text[begin - 1] == '.'))
    --begin;
  const absl::string_view word = text.substr(begin);
  if (word.empty()) return false;
  if (word.size() == 1)
    return absl::ascii_isupper(static_cast<unsigned char>(word[0]));  // "J. Smith"
  const std::string lower = absl::AsciiStrToLower(word);
  return std::binary_search(kAbbreviations.begin(), kAbbreviations.end(), absl::string_view(lower));
}

void Trim(absl::string_view text, SentenceRange* range) {
  while (range->begin < range->end && IsBlank(text[range->begin])) ++range->begin;
  while (range->end > range->begin && IsBlank(text[range->end - 1])) --range->end;
}

// Where a sentence ends within `range` although the next one begins with a small letter, as names
// of files and commands do: at a full stop after a plain word that is no abbreviation.
std::vector<SentenceRange> CutAtSmallLetters(absl::string_view text, const SentenceRange& range) {
  constexpr std::size_t kShortestWord = 3;
  std::vector<SentenceRange> pieces;
  std::size_t begin = range.begin;
  for (std::size_t at = text.find(". ", begin); at < range.end; at = text.find(". ", at + 1)) {
    std::size_t next = at + 2;
    while (next < range.end && text[next] == ' ') ++next;
    if (next >= range.end || !absl::ascii_islower(static_cast<unsigned char>(text[next]))) continue;
    std::size_t word = at;
    while (word > begin && absl::ascii_islower(static_cast<unsigned char>(text[word - 1]))) --word;
    const bool whole = word == begin || IsBlank(text[word - 1]);
    if (!whole || at - word < kShortestWord) continue;
    if (EndsWithAbbreviation(text.substr(word, at + 1 - word))) continue;
    pieces.push_back({begin, at + 1});
    begin = next;
  }
  pieces.push_back({begin, range.end});
  return pieces;
}

}  // namespace

std::vector<SentenceRange> SplitSentences(absl::string_view text) {
  std::vector<SentenceRange> sentences;
  UErrorCode error = U_ZERO_ERROR;
  UText* const utext =
      utext_openUTF8(nullptr, text.data(), static_cast<std::int64_t>(text.size()), &error);
  UBreakIterator* const breaks = ubrk_open(UBRK_SENTENCE, "en", nullptr, 0, &error);
  if (U_SUCCESS(error)) ubrk_setUText(breaks, utext, &error);
  if (U_SUCCESS(error)) {
    std::size_t begin = 0;
    bool join = false;  // with the sentence before
    for (std::int32_t at = ubrk_next(breaks); at != UBRK_DONE; at = ubrk_next(breaks)) {
      const auto end = static_cast<std::size_t>(at);
      SentenceRange range{begin, end};
      const bool ends_line = end > 0 && text[end - 1] == '\n';
      Trim(text, &range);
      begin = end;
      if (range.begin < range.end) {
        for (const SentenceRange& piece : CutAtSmallLetters(text, range)) {
          if (join && !sentences.empty()) {
            sentences.back().end = piece.end;
          } else {
            sentences.push_back(piece);
          }
          join = false;
        }
        join = EndsWithAbbreviation(text.substr(range.begin, range.end - range.begin));
      }
      if (ends_line) join = false;
    }
  } else if (!text.empty()) {
    SentenceRange whole{0, text.size()};
    Trim(text, &whole);
    if (whole.begin < whole.end) sentences.push_back(whole);
  }
  ubrk_close(breaks);
  utext_close(utext);
  return sentences;
}

}  // namespace ragmesh::text
