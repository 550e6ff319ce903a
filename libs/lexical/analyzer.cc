#include "libs/lexical/analyzer.h"

#include <libstemmer.h>
#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf16.h>
#include <unicode/uversion.h>

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
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

void CutToLimit(std::string* term) {
  if (term->size() <= Analyzer::kMaxTermBytes) return;
  std::size_t end = Analyzer::kMaxTermBytes;
  while (end > 0 && (static_cast<unsigned char>((*term)[end]) & 0xC0) == 0x80) --end;
  term->resize(end);
}

bool IsAscii(absl::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Unicode's word boundaries (UAX #29, rules WB5 to WB13b), as far as ASCII goes.
struct AsciiWords {
  bool at_is_letter = false;  // '@', as in some releases of ICU

  bool IsLetter(char c) const { return absl::ascii_isalpha(c) || (at_is_letter && c == '@'); }
  bool BeginsAt(char c) const { return IsLetter(c) || absl::ascii_isdigit(c) || c == '_'; }

  // The end of the word that begins at `begin`. A ':' ends it: where a language does not let it,
  // the word is cut there all the same.
  std::size_t End(absl::string_view text, std::size_t begin) const {
    const auto at = [text](std::size_t i) { return i < text.size() ? text[i] : ' '; };
    std::size_t i = begin;
    while (true) {
      const char here = text[i], next = at(i + 1), after = at(i + 2);
      const bool letters = IsLetter(here) && IsLetter(after);
      const bool digits = absl::ascii_isdigit(here) && absl::ascii_isdigit(after);
      if (BeginsAt(next)) {
        ++i;
      } else if (((next == '.' || next == '\'') && (letters || digits)) ||
                 ((next == ',' || next == ';') && digits)) {
        i += 2;
      } else {
        return i + 1;
      }
    }
  }
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
  explicit Session(const std::string& language) : english_(language == "en") {
    UErrorCode error = U_ZERO_ERROR;
    words_.reset(icu::BreakIterator::createWordInstance(icu::Locale(language.c_str()), error));
    fold_ = icu::Normalizer2::getNFKCCasefoldInstance(error);
    if (U_FAILURE(error)) words_.reset();
    if (words_ != nullptr) {
      const icu::UnicodeString probe("a@b");
      words_->setText(probe);
      ascii_.at_is_letter = words_->following(0) == probe.length();
    }
    stemmer_ = sb_stemmer_new(StemmerName(language).c_str(), "UTF_8");
  }
  ~Session() {
    if (stemmer_ != nullptr) sb_stemmer_delete(stemmer_);
  }

  // Calls emit(term, position) for each term; the first word of `text` has the number `position`.
  // Returns the number after its last word. `raw` words are folded only.
  template <typename Emit>
  std::uint32_t Run(absl::string_view text, std::uint32_t position, bool raw, const Emit& emit) {
    position_ = position;
    raw_ = raw;
    if (words_ == nullptr) return position_;
    if (IsAscii(text)) return RunAscii(text, emit);
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
        if (begin != run_end) EmitPairs(emit);
        run_.append(word);
        run_end = end;
        continue;
      }
      EmitPairs(emit);
      EmitParts(word, emit);
    }
    EmitPairs(emit);
    return position_;
  }

 private:
  // The same terms as the way through ICU gives, in a quarter of the time.
  template <typename Emit>
  std::uint32_t RunAscii(absl::string_view text, const Emit& emit) {
    for (std::size_t begin = 0; begin < text.size();) {
      if (!ascii_.BeginsAt(text[begin])) {
        ++begin;
        continue;
      }
      const std::size_t end = ascii_.End(text, begin);
      for (std::size_t part = begin, i = begin; i <= end; ++i) {
        // A '.' inside of a word stands between two letters or between two digits.
        const bool cut =
            i == end || text[i] == '_' || (text[i] == '.' && !absl::ascii_isdigit(text[i - 1]));
        if (!cut) continue;
        if (i > part) EmitFolded(absl::AsciiStrToLower(text.substr(part, i - part)), emit);
        part = i + 1;
      }
      begin = end;
    }
    return position_;
  }

  template <typename Emit>
  void EmitParts(const icu::UnicodeString& word, const Emit& emit) {
    std::int32_t part = 0;
    for (std::int32_t i = 0; i <= word.length(); ++i) {
      if (i < word.length() && !CutsAt(word, i)) continue;
      if (i > part) EmitWord(word.tempSubStringBetween(part, i), emit);
      part = i + 1;
    }
  }

  std::string Folded(const icu::UnicodeString& word) {
    UErrorCode error = U_ZERO_ERROR;
    std::string term;
    fold_->normalize(word, error).toUTF8String(term);
    return U_SUCCESS(error) ? term : std::string();
  }

  template <typename Emit>
  void EmitWord(const icu::UnicodeString& word, const Emit& emit) {
    EmitFolded(Folded(word), emit);
  }

  template <typename Emit>
  void EmitFolded(std::string word, const Emit& emit) {
    const std::uint32_t position = position_++;
    CutToLimit(&word);
    if (!raw_) word = Stemmed(std::move(word));
    if (!word.empty()) emit(std::move(word), position);
  }

  // Empty for a word that is dropped. Stemming takes longer than all else, and texts repeat their
  // words.
  std::string Stemmed(std::string word) {
    if (english_ && EnglishStopWords().contains(word)) return "";
    if (stemmer_ == nullptr || word.empty()) return word;
    if (const auto known = stems_.find(word); known != stems_.end()) return known->second;
    const sb_symbol* stem = sb_stemmer_stem(
        stemmer_, reinterpret_cast<const sb_symbol*>(word.data()), static_cast<int>(word.size()));
    if (stem == nullptr || sb_stemmer_length(stemmer_) == 0) return word;
    std::string result(reinterpret_cast<const char*>(stem),
                       static_cast<std::size_t>(sb_stemmer_length(stemmer_)));
    if (stems_.size() == kMostStems) stems_.clear();
    stems_.emplace(std::move(word), result);
    return result;
  }

  // Pairs over the folded run, so that half-width kana with their marks count as the characters
  // they mean.
  template <typename Emit>
  void EmitPairs(const Emit& emit) {
    if (run_.isEmpty()) return;
    UErrorCode error = U_ZERO_ERROR;
    const icu::UnicodeString run = fold_->normalize(run_, error);
    run_.remove();
    if (U_FAILURE(error)) return;
    std::int32_t first = 0;
    std::int32_t second = run.moveIndex32(0, 1);
    do {
      const std::int32_t end = second < run.length() ? run.moveIndex32(second, 1) : run.length();
      std::string term;
      run.tempSubStringBetween(first, end).toUTF8String(term);
      if (!term.empty()) emit(std::move(term), position_);
      ++position_;
      first = second;
      second = end;
    } while (second < run.length());
  }

  const bool english_;
  AsciiWords ascii_;
  std::unique_ptr<icu::BreakIterator> words_;
  const icu::Normalizer2* fold_ = nullptr;
  sb_stemmer* stemmer_ = nullptr;
  static constexpr std::size_t kMostStems = 16'384;  // some 2 MB
  absl::flat_hash_map<std::string, std::string> stems_;
  std::uint32_t position_ = 0;
  bool raw_ = false;
  icu::UnicodeString run_;  // neighbouring words of the pair scripts, not yet emitted
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
    constexpr std::size_t kMostIdle = 16;  // a session holds up to 2 MB of stems
    absl::MutexLock lock(&mutex);
    if (idle.size() < kMostIdle) idle.push_back(std::move(session));
  }
};

Analyzer::Analyzer(absl::string_view language)
    : language_(language), pool_(std::make_unique<Pool>()) {}
Analyzer::~Analyzer() = default;

std::vector<std::string> Analyzer::Terms(absl::string_view text) const {
  std::vector<std::string> terms;
  auto session = pool_->Take(language_);
  session->Run(text, 0, /*raw=*/false,
               [&](std::string term, std::uint32_t) { terms.push_back(std::move(term)); });
  pool_->Return(std::move(session));
  return terms;
}

std::vector<PlacedTerm> Analyzer::PlacedTerms(absl::string_view text) const {
  std::vector<PlacedTerm> terms;
  auto session = pool_->Take(language_);
  session->Run(text, 0, /*raw=*/false, [&](std::string term, std::uint32_t position) {
    terms.push_back({std::move(term), position});
  });
  pool_->Return(std::move(session));
  return terms;
}

std::vector<std::string> Analyzer::Words(absl::string_view text) const {
  std::vector<std::string> words;
  auto session = pool_->Take(language_);
  session->Run(text, 0, /*raw=*/true,
               [&](std::string word, std::uint32_t) { words.push_back(std::move(word)); });
  pool_->Return(std::move(session));
  return words;
}

ChunkTerms Analyzer::Analyze(absl::string_view title, absl::string_view heading,
                             absl::string_view body) const {
  struct Placed {
    std::string term;
    std::uint32_t position;
    std::uint8_t field;
    bool operator<(const Placed& other) const {
      const int order = term.compare(other.term);
      return order != 0 ? order < 0 : position < other.position;
    }
  };
  std::vector<Placed> placed;
  std::uint32_t position = 0;
  auto session = pool_->Take(language_);
  const PerField<absl::string_view> fields = {title, heading, body};
  for (std::uint8_t field = 0; field < kFields; ++field) {
    if (fields[field].empty()) continue;
    position = kFieldGap + session->Run(fields[field], position, /*raw=*/false,
                                        [&](std::string term, std::uint32_t at) {
                                          placed.push_back({std::move(term), at, field});
                                        });
  }
  pool_->Return(std::move(session));
  std::sort(placed.begin(), placed.end());
  ChunkTerms result;
  result.positions.reserve(placed.size());
  for (Placed& one : placed) {
    if (result.terms.empty() || result.terms.back().term != one.term)
      result.terms.push_back({std::move(one.term), {}});
    ++result.terms.back().counts[one.field];
    ++result.lengths[one.field];
    result.positions.push_back(one.position);
  }
  return result;
}

std::string Analyzer::Version() {
  return absl::StrCat("ragmesh-lexical-", kRules, "/icu-", U_ICU_VERSION, "/snowball-2.2");
}

}  // namespace ragmesh::lexical
