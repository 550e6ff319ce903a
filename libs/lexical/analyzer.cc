#include "libs/lexical/analyzer.h"

#include <libstemmer.h>
#include <unicode/brkiter.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf16.h>
#include <unicode/uversion.h>

#include <algorithm>

#include "absl/container/flat_hash_set.h"
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
    const std::uint32_t position = position_++;
    std::string term = Folded(word);
    CutToLimit(&term);
    if (!raw_ && english_ && EnglishStopWords().contains(term)) return;
    if (!raw_ && stemmer_ != nullptr && !term.empty()) {
      const sb_symbol* stem = sb_stemmer_stem(
          stemmer_, reinterpret_cast<const sb_symbol*>(term.data()), static_cast<int>(term.size()));
      if (stem != nullptr && sb_stemmer_length(stemmer_) > 0) {
        term.assign(reinterpret_cast<const char*>(stem),
                    static_cast<std::size_t>(sb_stemmer_length(stemmer_)));
      }
    }
    if (!term.empty()) emit(std::move(term), position);
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
  std::unique_ptr<icu::BreakIterator> words_;
  const icu::Normalizer2* fold_ = nullptr;
  sb_stemmer* stemmer_ = nullptr;
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
    constexpr std::size_t kMostIdle = 16;  // a session holds some tens of KB
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
