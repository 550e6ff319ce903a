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
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/text/scripts.h"

namespace ragmesh::lexical {
namespace {

// Raise when the rules in analyzer.h change.
constexpr int kRules = 1;

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

  template <typename Emit>
  void Run(absl::string_view text, const Emit& emit) {
    if (words_ == nullptr) return;
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
    std::string term = Folded(word);
    CutToLimit(&term);
    if (english_ && EnglishStopWords().contains(term)) return;
    if (stemmer_ != nullptr && !term.empty()) {
      const sb_symbol* stem = sb_stemmer_stem(
          stemmer_, reinterpret_cast<const sb_symbol*>(term.data()), static_cast<int>(term.size()));
      if (stem != nullptr && sb_stemmer_length(stemmer_) > 0) {
        term.assign(reinterpret_cast<const char*>(stem),
                    static_cast<std::size_t>(sb_stemmer_length(stemmer_)));
      }
    }
    if (!term.empty()) emit(std::move(term));
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
      if (!term.empty()) emit(std::move(term));
      first = second;
      second = end;
    } while (second < run.length());
  }

  const bool english_;
  std::unique_ptr<icu::BreakIterator> words_;
  const icu::Normalizer2* fold_ = nullptr;
  sb_stemmer* stemmer_ = nullptr;
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
  session->Run(text, [&terms](std::string term) { terms.push_back(std::move(term)); });
  pool_->Return(std::move(session));
  return terms;
}

TermCounts Analyzer::Count(absl::string_view text) const {
  absl::flat_hash_map<std::string, std::uint32_t> counts;
  TermCounts result;
  auto session = pool_->Take(language_);
  session->Run(text, [&](std::string term) {
    ++counts[std::move(term)];
    ++result.length;
  });
  pool_->Return(std::move(session));
  result.terms.reserve(counts.size());
  for (auto& [term, count] : counts) result.terms.emplace_back(term, count);
  std::sort(result.terms.begin(), result.terms.end());
  return result;
}

std::string Analyzer::Version() {
  return absl::StrCat("ragmesh-lexical-", kRules, "/icu-", U_ICU_VERSION, "/snowball-2.2");
}

}  // namespace ragmesh::lexical
