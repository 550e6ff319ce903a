#include "libs/lexical/analyzer.h"

#include <libstemmer.h>
#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf16.h>
#include <unicode/uversion.h>

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/lexical/term_map.h"
#include "libs/text/scripts.h"

namespace ragmesh::lexical {
namespace {

// Raise when the rules in analyzer.h change.
constexpr int kRules = 2;

// Numbers left out between two fields: more than the dropped words that a phrase may span.
constexpr std::uint32_t kFieldGap = 100;

const absl::flat_hash_set<std::string>& EnglishStopWords() {
  static const auto* const words = new absl::flat_hash_set<std::string>{
      "a",   "an",    "and",  "are",   "as",    "at",   "be",   "but", "by",  "for",  "if",
      "in",  "into",  "is",   "it",    "no",    "not",  "of",   "on",  "or",  "such", "that",
      "the", "their", "then", "there", "these", "they", "this", "to",  "was", "will", "with"};
  return *words;
}

// True when the word is to be cut at unit `i`.
bool CutsAt(const icu::UnicodeString& word, int i) {
  const char16_t c = word[i];
  if (c == u'_') return true;
  if (c != u'.' && c != u':') return false;
  const bool digit_before = i > 0 && u_isdigit(word[i - 1]);
  const bool digit_after = i + 1 < word.length() && u_isdigit(word[i + 1]);
  return !(digit_before && digit_after);
}

absl::string_view CutToLimit(absl::string_view term) {
  if (term.size() <= Analyzer::kMaxTermBytes) return term;
  std::size_t end = Analyzer::kMaxTermBytes;
  while (end > 0 && (static_cast<unsigned char>(term[end]) & 0xC0) == 0x80) --end;
  return term.substr(0, end);
}

bool IsAscii(absl::string_view text) {
  unsigned char all = 0;
  for (const char c : text) all |= static_cast<unsigned char>(c);
  return all < 0x80;
}

// Unicode's word boundaries (UAX #29, rules WB5 to WB13b), as far as ASCII goes.
class AsciiWords {
 public:
  // '@' is a letter in some releases of ICU.
  explicit AsciiWords(bool at_is_letter) {
    for (std::size_t c = 0; c < kinds_.size(); ++c) {
      const auto byte = static_cast<unsigned char>(c);
      kinds_[c] = absl::ascii_isalpha(byte) || (at_is_letter && byte == '@') ? kLetter
                  : absl::ascii_isdigit(byte)                                ? kDigit
                  : byte == '_'                                              ? kJoiner
                                                                             : kOther;
    }
  }

  bool BeginsAt(char c) const { return KindOf(c) != kOther; }

  // The end of the word that begins at `begin`. A ':' ends it: where a language does not let it,
  // the word is cut there all the same.
  std::size_t End(absl::string_view text, std::size_t begin) const {
    const auto at = [text](std::size_t i) { return i < text.size() ? text[i] : ' '; };
    std::size_t i = begin;
    while (true) {
      while (i + 1 < text.size() && BeginsAt(text[i + 1])) ++i;
      const char next = at(i + 1);
      const Kind here = KindOf(text[i]), after = KindOf(at(i + 2));
      const bool letters = here == kLetter && after == kLetter;
      const bool digits = here == kDigit && after == kDigit;
      if (((next == '.' || next == '\'') && (letters || digits)) ||
          ((next == ',' || next == ';') && digits)) {
        i += 2;
      } else {
        return i + 1;
      }
    }
  }

 private:
  enum Kind : std::uint8_t { kOther, kLetter, kDigit, kJoiner };
  Kind KindOf(char c) const { return kinds_[static_cast<unsigned char>(c)]; }

  std::array<Kind, 256> kinds_;
};

// Snowball has one Norwegian for both written forms, under the tag of neither.
std::string StemmerName(absl::string_view language) {
  if (language == "nb" || language == "nn") return "no";
  return std::string(language);
}

}  // namespace

// ICU's iterator and Snowball's stemmer hold state, so a session serves one call at a time.
class Analyzer::Session {
 public:
  explicit Session(const std::string& language)
      : english_(language == "en"), words_(WordsOf(language)), ascii_(LetsAtBeLetter()) {
    UErrorCode error = U_ZERO_ERROR;
    fold_ = icu::Normalizer2::getNFKCCasefoldInstance(error);
    if (U_FAILURE(error)) words_.reset();
    stemmer_ = sb_stemmer_new(StemmerName(language).c_str(), "UTF_8");
  }
  ~Session() {
    if (stemmer_ != nullptr) sb_stemmer_delete(stemmer_);
  }

  // A term of this session.
  struct Known {
    std::uint64_t prefix = 0;  // PrefixOf it
    std::uint32_t number = 0;
  };
  const std::string& TermOf(std::uint32_t number) const { return terms_[number]; }

  // Calls emit(Known, position) for each term; the first word of `text` has the number `position`.
  // Returns the number after its last word. What is known is good until Trim.
  template <typename Emit>
  std::uint32_t Terms(absl::string_view text, std::uint32_t position, const Emit& emit) {
    const std::uint32_t next = Cut(text, position);
    // What is known lies anywhere in memory, so all of it is sent for before the first is needed.
    for (const Found& found : found_) {
      if (!found.is_pair) stems_.Prefetch(WordOf(found));
    }
    known_.clear();
    for (const Found& found : found_) {
      const absl::string_view word = WordOf(found);
      const Known term = found.is_pair ? Numbered(word) : StemOf(word);
      if (term.number != kDropped) __builtin_prefetch(&terms_[term.number]);
      known_.push_back(term);
    }
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (known_[i].number != kDropped) emit(known_[i], found_[i].position);
    }
    return next;
  }

  // The same of words that are folded only: emit(word, position).
  template <typename Emit>
  void Words(absl::string_view text, const Emit& emit) {
    Cut(text, 0);
    for (const Found& found : found_) emit(WordOf(found), found.position);
  }

  // Forgets terms once they are many. Between calls only.
  void Trim() {
    if (stems_.size() <= kMostStems && terms_.size() <= kMostStems) return;
    stems_.Clear();
    numbers_.Clear();
    terms_.clear();
  }

 private:
  static constexpr std::uint32_t kDropped = 0xFFFFFFFF;
  static constexpr std::size_t kMostStems = 32'768;  // some 4 MB

  struct Found {                // in the text that was cut
    std::uint32_t begin, size;  // of the folded word, in folded_
    std::uint32_t position;
    bool is_pair;  // of characters
  };
  absl::string_view WordOf(const Found& found) const {
    return absl::string_view(folded_).substr(found.begin, found.size);
  }

  static std::unique_ptr<icu::BreakIterator> WordsOf(const std::string& language) {
    UErrorCode error = U_ZERO_ERROR;
    std::unique_ptr<icu::BreakIterator> words(
        icu::BreakIterator::createWordInstance(icu::Locale(language.c_str()), error));
    return U_SUCCESS(error) ? std::move(words) : nullptr;
  }
  bool LetsAtBeLetter() {
    if (words_ == nullptr) return false;
    const icu::UnicodeString probe("a@b");
    words_->setText(probe);
    return words_->following(0) == probe.length();
  }

  // Leaves in found_ the words of `text`, the first of them at `position`, and returns the position
  // after the last.
  std::uint32_t Cut(absl::string_view text, std::uint32_t position) {
    found_.clear();
    folded_.clear();
    position_ = position;
    if (words_ == nullptr) return position_;
    if (IsAscii(text)) {
      CutAscii(text);
      return position_;
    }
    const auto utf16 =
        icu::UnicodeString::fromUTF8(icu::StringPiece(text.data(), static_cast<int>(text.size())));
    words_->setText(utf16);
    std::int32_t begin = words_->first();
    run_.remove();
    std::int32_t run_end = -1;
    for (std::int32_t end = words_->next(); end != icu::BreakIterator::DONE;
         begin = end, end = words_->next()) {
      if (words_->getRuleStatus() < UBRK_WORD_NONE_LIMIT) continue;
      const icu::UnicodeString word = utf16.tempSubStringBetween(begin, end);
      if (text::IsIdeographic(word.char32At(0))) {
        if (begin != run_end) FindPairs();
        run_.append(word);
        run_end = end;
        continue;
      }
      FindPairs();
      FindParts(word);
    }
    FindPairs();
    return position_;
  }

  // The same words as the way through ICU gives, in a tenth of the time.
  void CutAscii(absl::string_view text) {
    folded_.resize(text.size());  // no word is longer than it was
    char* const folded = folded_.data();
    std::uint32_t size = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      if (!ascii_.BeginsAt(text[begin])) {
        ++begin;
        continue;
      }
      const std::size_t end = ascii_.End(text, begin);
      std::uint32_t first = size;
      for (std::size_t i = begin; i < end; ++i) {
        // A '.' inside of a word stands between two letters or between two digits.
        const char c = text[i];
        if (c == '_' || (c == '.' && !absl::ascii_isdigit(text[i - 1]))) {
          FindWord(first, size);
          first = size;
        } else {
          folded[size++] = absl::ascii_tolower(c);
        }
      }
      FindWord(first, size);
      begin = end;
    }
  }

  void FindParts(const icu::UnicodeString& word) {
    std::int32_t part = 0;
    for (std::int32_t i = 0; i <= word.length(); ++i) {
      if (i < word.length() && !CutsAt(word, i)) continue;
      if (i > part) {
        const auto begin = static_cast<std::uint32_t>(folded_.size());
        AppendFolded(word.tempSubStringBetween(part, i));
        if (folded_.size() == begin) ++position_;
        FindWord(begin, static_cast<std::uint32_t>(folded_.size()));
      }
      part = i + 1;
    }
  }

  void AppendFolded(const icu::UnicodeString& word) {
    UErrorCode error = U_ZERO_ERROR;
    const icu::UnicodeString folded = fold_->normalize(word, error);
    if (U_SUCCESS(error)) folded.toUTF8String(folded_);
  }

  void FindWord(std::uint32_t begin, std::uint32_t end) {
    if (begin == end) return;
    const auto word = CutToLimit(absl::string_view(folded_).substr(begin, end - begin));
    found_.push_back({begin, static_cast<std::uint32_t>(word.size()), position_++, false});
  }

  // Pairs over the folded run, so that half-width kana with their marks count as the characters
  // they mean.
  void FindPairs() {
    if (run_.isEmpty()) return;
    UErrorCode error = U_ZERO_ERROR;
    const icu::UnicodeString run = fold_->normalize(run_, error);
    run_.remove();
    if (U_FAILURE(error)) return;
    std::int32_t first = 0;
    std::int32_t second = run.moveIndex32(0, 1);
    do {
      const std::int32_t end = second < run.length() ? run.moveIndex32(second, 1) : run.length();
      const auto begin = static_cast<std::uint32_t>(folded_.size());
      run.tempSubStringBetween(first, end).toUTF8String(folded_);
      const auto size = static_cast<std::uint32_t>(folded_.size()) - begin;
      if (size > 0) found_.push_back({begin, size, position_, true});
      ++position_;
      first = second;
      second = end;
    } while (second < run.length());
  }

  Known Numbered(absl::string_view term) {
    const auto [number, is_new] =
        numbers_.TryEmplace(term, static_cast<std::uint32_t>(terms_.size()));
    if (is_new) terms_.emplace_back(term);
    return {PrefixOf(term), *number};
  }

  // Stemming takes longer than all else, and texts repeat their words.
  Known StemOf(absl::string_view word) {
    const auto [known, is_new] = stems_.TryEmplace(word, Known{0, kDropped});
    if (is_new && !(english_ && EnglishStopWords().contains(word)))
      *known = Numbered(Stemmed(word));
    return *known;
  }

  absl::string_view Stemmed(absl::string_view word) {
    if (stemmer_ == nullptr) return word;
    const sb_symbol* stem = sb_stemmer_stem(
        stemmer_, reinterpret_cast<const sb_symbol*>(word.data()), static_cast<int>(word.size()));
    if (stem == nullptr || sb_stemmer_length(stemmer_) == 0) return word;
    return {reinterpret_cast<const char*>(stem),
            static_cast<std::size_t>(sb_stemmer_length(stemmer_))};
  }

  const bool english_;
  std::unique_ptr<icu::BreakIterator> words_;
  const AsciiWords ascii_;
  const icu::Normalizer2* fold_ = nullptr;
  sb_stemmer* stemmer_ = nullptr;
  TermMap<Known> stems_;            // by word
  TermMap<std::uint32_t> numbers_;  // term -> its place in terms_
  std::vector<std::string> terms_;  // by number
  // Of the text that was cut last.
  std::vector<Found> found_;
  std::vector<Known> known_;  // what is found
  std::string folded_;
  std::uint32_t position_ = 0;
  icu::UnicodeString run_;  // neighbouring words of the pair scripts, not yet found
};

struct Analyzer::Pool {
  absl::Mutex mutex;
  std::vector<std::unique_ptr<Session>> idle ABSL_GUARDED_BY(mutex);

  std::unique_ptr<Session> Take(const std::string& language) {
    {
      absl::MutexLock lock(&mutex);
      if (!idle.empty()) {
        auto session = std::move(idle.back());
        idle.pop_back();
        return session;
      }
    }
    return std::make_unique<Session>(language);
  }
  void Return(std::unique_ptr<Session> session) {
    constexpr std::size_t kMostIdle = 8;
    session->Trim();
    absl::MutexLock lock(&mutex);
    if (idle.size() < kMostIdle) idle.push_back(std::move(session));
  }
};

Analyzer::Analyzer(absl::string_view language)
    : language_(language), pool_(std::make_unique<Pool>()) {}
Analyzer::~Analyzer() = default;

std::vector<std::string> Analyzer::Terms(absl::string_view text) const {
  std::vector<std::string> terms;
  for (PlacedTerm& placed : PlacedTerms(text)) terms.push_back(std::move(placed.term));
  return terms;
}

std::vector<PlacedTerm> Analyzer::PlacedTerms(absl::string_view text) const {
  std::vector<PlacedTerm> terms;
  auto session = pool_->Take(language_);
  session->Terms(text, 0, [&](Session::Known term, std::uint32_t position) {
    terms.push_back({session->TermOf(term.number), position});
  });
  pool_->Return(std::move(session));
  return terms;
}

std::vector<std::string> Analyzer::Words(absl::string_view text) const {
  std::vector<std::string> words;
  auto session = pool_->Take(language_);
  session->Words(text, [&](absl::string_view word, std::uint32_t) { words.emplace_back(word); });
  pool_->Return(std::move(session));
  return words;
}

ChunkTerms Analyzer::Analyze(absl::string_view title, absl::string_view heading,
                             absl::string_view body) const {
  struct Placed {
    std::uint64_t prefix;  // decides most comparisons
    std::uint32_t number;
    std::uint32_t position;
    std::uint8_t field;
  };
  std::vector<Placed> placed;
  placed.reserve((title.size() + heading.size() + body.size()) / 6);
  std::uint32_t position = 0;
  auto session = pool_->Take(language_);
  const PerField<absl::string_view> fields = {title, heading, body};
  for (std::uint8_t field = 0; field < kFields; ++field) {
    if (fields[field].empty()) continue;
    position = kFieldGap +
               session->Terms(fields[field], position, [&](Session::Known term, std::uint32_t at) {
                 placed.push_back({term.prefix, term.number, at, field});
               });
  }
  std::sort(placed.begin(), placed.end(), [&](const Placed& a, const Placed& b) {
    if (a.prefix != b.prefix) return a.prefix < b.prefix;
    if (a.number != b.number) return session->TermOf(a.number) < session->TermOf(b.number);
    return a.position < b.position;
  });
  ChunkTerms result;
  std::size_t distinct = 0;
  for (std::size_t i = 0; i < placed.size(); ++i)
    distinct += i == 0 || placed[i].number != placed[i - 1].number ? 1 : 0;
  result.terms.reserve(distinct);
  result.positions.reserve(placed.size());
  for (std::size_t i = 0; i < placed.size(); ++i) {
    const Placed& one = placed[i];
    if (i == 0 || one.number != placed[i - 1].number)
      result.terms.push_back({session->TermOf(one.number), {}});
    ++result.terms.back().counts[one.field];
    ++result.lengths[one.field];
    result.positions.push_back(one.position);
  }
  pool_->Return(std::move(session));
  return result;
}

std::string Analyzer::Version() {
  return absl::StrCat("ragmesh-lexical-", kRules, "/icu-", U_ICU_VERSION, "/snowball-2.2");
}

}  // namespace ragmesh::lexical
