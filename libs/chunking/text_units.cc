#include "libs/chunking/text_units.h"

#include <unicode/brkiter.h>
#include <unicode/filteredbrk.h>
#include <unicode/utext.h>

#include <algorithm>
#include <string>
#include <utility>

#include "libs/base/check.h"

namespace ragmesh::chunking {
namespace {

// A line at least this long, followed by another, was wrapped by an editor rather than ended by its
// author.
constexpr std::size_t kWrappedLineBytes = 50;

// Words are looked for in this many bytes before the limit; longer words are cut at a code point.
constexpr std::size_t kWordWindowBytes = 1024;

void AppendTrimmed(absl::string_view text, std::size_t begin, std::size_t end,
                   std::vector<TextUnit>* units) {
  while (begin < end && IsBlank(text[begin])) ++begin;
  while (end > begin && IsBlank(text[end - 1])) --end;
  if (begin < end) units->push_back({begin, end});
}

// The same bytes with line breaks inside wrapped paragraphs turned into blanks, so that offsets
// stay.
std::string Unwrapped(absl::string_view text) {
  std::string out(text);
  std::size_t line_begin = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] != '\n') continue;
    if (i - line_begin >= kWrappedLineBytes) out[i] = ' ';
    line_begin = i + 1;
  }
  return out;
}

std::unique_ptr<icu::BreakIterator> SentenceIterator() {
  UErrorCode error = U_ZERO_ERROR;
  const icu::Locale& locale = icu::Locale::getEnglish();
  icu::BreakIterator* plain = icu::BreakIterator::createSentenceInstance(locale, error);
  RAGMESH_CHECK(U_SUCCESS(error), "ICU has no sentence rules");
  std::unique_ptr<icu::FilteredBreakIteratorBuilder> filter(
      icu::FilteredBreakIteratorBuilder::createInstance(locale, error));
  RAGMESH_CHECK(U_SUCCESS(error), "ICU has no list of abbreviations");
  for (const char* abbreviation :
       {"e.g.", "i.e.",    "cf.",    "vs.", "No.", "Fig.", "Figs.", "Eq.",   "Sec.", "Nr.",
        "z.B.", "approx.", "et al.", "Dr.", "Mr.", "Mrs.", "Ms.",   "Prof.", "St.",  "Nos."}) {
    filter->suppressBreakAfter(icu::UnicodeString::fromUTF8(abbreviation), error);
  }
  std::unique_ptr<icu::BreakIterator> filtered(filter->build(plain, error));
  RAGMESH_CHECK(U_SUCCESS(error), "ICU cannot filter sentence ends");
  return filtered;
}

// Points `iterator` at `text` and closes ICU's view of it at the end of the scope.
class TextScope {
 public:
  TextScope(icu::BreakIterator& iterator, absl::string_view text) : iterator_(iterator) {
    UErrorCode error = U_ZERO_ERROR;
    utext_openUTF8(&view_, text.data(), static_cast<std::int64_t>(text.size()), &error);
    iterator_.setText(&view_, error);
    RAGMESH_CHECK(U_SUCCESS(error), "ICU refuses a text");
  }
  ~TextScope() {
    iterator_.setText(icu::UnicodeString());
    utext_close(&view_);
  }

 private:
  icu::BreakIterator& iterator_;
  UText view_ = UTEXT_INITIALIZER;
};

bool IsContinuation(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

struct TextUnits::Iterators {
  std::unique_ptr<icu::BreakIterator> sentence;
  std::unique_ptr<icu::BreakIterator> word;
};

TextUnits::TextUnits() : iterators_(std::make_unique<Iterators>()) {
  UErrorCode error = U_ZERO_ERROR;
  iterators_->sentence = SentenceIterator();
  iterators_->word.reset(icu::BreakIterator::createWordInstance(icu::Locale::getRoot(), error));
  RAGMESH_CHECK(U_SUCCESS(error), "ICU has no word rules");
}

TextUnits::~TextUnits() = default;

std::vector<TextUnit> TextUnits::Sentences(absl::string_view text) {
  std::vector<TextUnit> units;
  if (text.empty()) return units;
  const std::string unwrapped = Unwrapped(text);
  const TextScope scope(*iterators_->sentence, unwrapped);
  std::size_t begin = 0;
  iterators_->sentence->first();
  for (std::int32_t end = iterators_->sentence->next(); end != icu::BreakIterator::DONE;
       end = iterators_->sentence->next()) {
    AppendTrimmed(text, begin, static_cast<std::size_t>(end), &units);
    begin = static_cast<std::size_t>(end);
  }
  AppendTrimmed(text, begin, text.size(), &units);
  return units;
}

std::vector<TextUnit> TextUnits::Lines(absl::string_view text) {
  std::vector<TextUnit> units;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    // Indentation belongs to a line of code, so only the end is trimmed and blank lines are left
    // out.
    std::size_t last = end;
    while (last > begin && IsBlank(text[last - 1])) --last;
    if (last > begin) units.push_back({begin, last});
    begin = end + 1;
  }
  return units;
}

std::size_t TextUnits::CutBefore(absl::string_view text, std::size_t limit) {
  if (limit >= text.size()) return text.size();
  const std::size_t window = limit > kWordWindowBytes ? limit - kWordWindowBytes : 0;
  std::size_t from = window;
  while (from < limit && IsContinuation(text[from])) ++from;
  const absl::string_view near =
      text.substr(from, std::min(text.size() - from, 2 * kWordWindowBytes));
  const TextScope scope(*iterators_->word, near);
  const std::int32_t boundary =
      iterators_->word->preceding(static_cast<std::int32_t>(limit - from) + 1);
  if (boundary != icu::BreakIterator::DONE && boundary > 0) {
    const std::size_t cut = from + static_cast<std::size_t>(boundary);
    if (cut <= limit) return cut;
  }
  std::size_t cut = limit;
  while (cut > 0 && IsContinuation(text[cut])) --cut;
  if (cut > 0) return cut;
  cut = 1;
  while (cut < text.size() && IsContinuation(text[cut])) ++cut;
  return cut;
}

}  // namespace ragmesh::chunking
