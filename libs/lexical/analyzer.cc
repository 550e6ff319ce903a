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
#include <bit>
#include <cstring>
#include <utility>

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
  std::uint64_t all = 0;
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t eight;
    std::memcpy(&eight, text.data() + i, 8);
    all |= eight;
  }
  for (; i < text.size(); ++i) all |= static_cast<unsigned char>(text[i]);
  return (all & 0x8080808080808080) == 0;
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
      plain_[c] = absl::ascii_isalnum(byte) ? absl::ascii_tolower(byte) : '\0';
    }
  }

  // A letter or digit in lower case; 0 for all others.
  char Plain(char c) const { return plain_[static_cast<unsigned char>(c)]; }

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
  std::array<char, 256> plain_;
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

  const std::string& TermOf(std::uint32_t number) const { return terms_[number]; }

  // Calls emit(number, position) for each term; the first word of `text` has the number `position`.
  // Returns the number after its last word. Numbers of terms are good until Trim.
  template <typename Emit>
  std::uint32_t Terms(absl::string_view text, std::uint32_t position, const Emit& emit) {
    const std::uint32_t next = Cut(text, position);
    // What is known lies anywhere in memory, so all of it is sent for before the first is needed.
    keys_.clear();
    for (const Found& found : found_) {
      keys_.push_back(TermKey::Padded(WordOf(found)));
      if (!found.is_pair) stems_.Prefetch(keys_.back());
    }
    known_.clear();
    for (std::size_t i = 0; i < found_.size(); ++i) {
      const std::uint32_t term = found_[i].is_pair ? Numbered(keys_[i]) : StemOf(keys_[i]);
      if (term != kDropped) __builtin_prefetch(&marks_[term], 1);
      known_.push_back(term);
    }
    for (std::size_t i = 0; i < found_.size(); ++i) {
      if (known_[i] != kDropped) emit(known_[i], found_[i].position);
    }
    return next;
  }

  ChunkTerms Analyze(const PerField<absl::string_view>& fields) {
    if (++chunk_ == 0) {  // all numbers have been used
      for (Mark& mark : marks_) mark.chunk = 0;
      chunk_ = 1;
    }
    distinct_.clear();
    placed_.clear();
    ChunkTerms result;
    std::uint32_t position = 0;
    for (std::size_t field = 0; field < kFields; ++field) {
      if (fields[field].empty()) continue;
      const auto emit = [&](std::uint32_t number, std::uint32_t at) {
        Mark& mark = marks_[number];
        if (mark.chunk != chunk_) {
          mark.chunk = chunk_;
          mark.place = static_cast<std::uint32_t>(distinct_.size());
          distinct_.push_back({mark.prefix, number, {}});
          __builtin_prefetch(&terms_[number]);
        }
        ++distinct_[mark.place].counts[field];
        ++result.lengths[field];
        placed_.push_back({mark.place, at});
      };
      position = kFieldGap + Terms(fields[field], position, emit);
    }
    SortDistinct();
    result.terms.reserve(distinct_.size());
    starts_.resize(distinct_.size());
    std::uint32_t start = 0;
    for (const Order& order : order_) {
      const Distinct& term = distinct_[order.place];
      result.terms.push_back({TermOf(term.number), term.counts});
      starts_[order.place] = start;
      start += static_cast<std::uint32_t>(result.terms.back().count());
    }
    result.positions.resize(placed_.size());
    for (const Placed& placed : placed_)
      result.positions[starts_[placed.place]++] = placed.position;
    return result;
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
    marks_.clear();
  }

 private:
  // Of a term: what is looked at for each of its occurrences.
  struct Mark {
    std::uint64_t prefix = 0;  // PrefixOf it
    std::uint32_t chunk = 0;   // that had it last
    std::uint32_t place = 0;   // in that chunk's distinct_
  };
  struct Distinct {
    std::uint64_t prefix;
    std::uint32_t number;
    PerField<std::uint32_t> counts;
  };
  struct Placed {
    std::uint32_t place;  // in distinct_
    std::uint32_t position;
  };
  struct Order {
    std::uint64_t prefix;  // decides most comparisons
    std::uint32_t place;   // in distinct_
  };

  static constexpr std::uint32_t kDropped = 0xFFFFFFFF;
  static constexpr std::size_t kMostStems = 32'768;  // some 5 MB

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
    } else {
      CutUnicode(text);
    }
    return position_;
  }

  void CutUnicode(absl::string_view text) {
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
    folded_.append(TermKey::kPadding, '\0');
  }

  // The same words as the way through ICU gives, in a tenth of the time.
  void CutAscii(absl::string_view text) {
    folded_.resize(text.size() + TermKey::kPadding);  // no word is longer than it was
    char* const folded = folded_.data();
    std::uint32_t size = 0;
    for (std::size_t begin = 0; begin < text.size();) {
      // Nearly every word is letters and digits with something behind them that ends a word.
      const std::uint32_t plain = size;
      std::size_t i = begin;
      for (; i < text.size() && ascii_.Plain(text[i]) != '\0'; ++i)
        folded[size++] = ascii_.Plain(text[i]);
      if (EndsWord(text, i)) {
        FindWord(plain, size);
        begin = i + 1;
        continue;
      }
      size = plain;
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

  // Whether letters and digits before `i` are a word of their own, whatever they are.
  bool EndsWord(absl::string_view text, std::size_t i) const {
    if (i == text.size()) return true;
    const char c = text[i];
    if (ascii_.BeginsAt(c)) return false;  // '_', or '@'
    const bool joins = c == '.' || c == '\'' || c == ',' || c == ';';
    return !joins || i + 1 == text.size() || !ascii_.BeginsAt(text[i + 1]);
  }

  // Puts distinct_ in the order of the terms: roughly by eight bits from the first on in which any
  // two differ, then each where it belongs, which is near.
  void SortDistinct() {
    constexpr std::uint32_t kFew = 16;  // of the same eight bits
    constexpr int kBits = 8;
    std::uint64_t different = 1;
    for (const Distinct& term : distinct_) different |= term.prefix ^ distinct_[0].prefix;
    const int shift = std::max(0, static_cast<int>(std::bit_width(different)) - kBits);
    const auto bits = [shift](std::uint64_t prefix) {
      return (prefix >> shift) & ((1 << kBits) - 1);
    };
    std::array<std::uint32_t, (1 << kBits)> next = {};
    for (const Distinct& term : distinct_) ++next[bits(term.prefix)];
    std::uint32_t begin = 0, most = 0;
    for (std::uint32_t& count : next) {
      most = std::max(most, count);
      begin += std::exchange(count, begin);
    }
    order_.resize(distinct_.size());
    for (std::uint32_t place = 0; place < distinct_.size(); ++place) {
      const std::uint64_t prefix = distinct_[place].prefix;
      order_[next[bits(prefix)]++] = {prefix, place};
    }
    const auto less = [this](const Order& a, const Order& b) {
      if (a.prefix != b.prefix) return a.prefix < b.prefix;
      return TermOf(distinct_[a.place].number) < TermOf(distinct_[b.place].number);
    };
    if (most > kFew) {
      std::sort(order_.begin(), order_.end(), less);
      return;
    }
    for (std::size_t i = 1; i < order_.size(); ++i) {
      const Order moved = order_[i];
      std::size_t to = i;
      for (; to > 0 && less(moved, order_[to - 1]); --to) order_[to] = order_[to - 1];
      order_[to] = moved;
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

  std::uint32_t Numbered(const TermKey& term) {
    const auto [number, is_new] =
        numbers_.TryEmplace(term, static_cast<std::uint32_t>(terms_.size()));
    if (is_new) {
      terms_.emplace_back(term.term());
      marks_.push_back({term.prefix(), 0, 0});
    }
    return *number;
  }

  // Stemming takes longer than all else, and texts repeat their words.
  std::uint32_t StemOf(const TermKey& word) {
    const auto [known, is_new] = stems_.TryEmplace(word, kDropped);
    if (is_new && !(english_ && EnglishStopWords().contains(word.term())))
      *known = Numbered(TermKey(Stemmed(word.term())));
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
  TermMap<std::uint32_t> stems_;    // number of its term by word, or kDropped
  TermMap<std::uint32_t> numbers_;  // term -> its place in terms_
  std::vector<std::string> terms_;  // by number
  std::vector<Mark> marks_;         // by number
  // Of the text that was cut last.
  std::vector<Found> found_;
  std::vector<TermKey> keys_;         // of what is found
  std::vector<std::uint32_t> known_;  // their terms, or kDropped
  std::string folded_;                // and kPadding bytes
  // Of the chunk that was analysed last.
  std::uint32_t chunk_ = 0;  // counted
  std::vector<Distinct> distinct_;
  std::vector<Placed> placed_;         // in the order of the text
  std::vector<Order> order_;           // of distinct_
  std::vector<std::uint32_t> starts_;  // by place in distinct_, in ChunkTerms::positions
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
  session->Terms(text, 0, [&](std::uint32_t term, std::uint32_t position) {
    terms.push_back({session->TermOf(term), position});
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
  auto session = pool_->Take(language_);
  ChunkTerms result = session->Analyze({title, heading, body});
  pool_->Return(std::move(session));
  return result;
}

std::string Analyzer::Version() {
  return absl::StrCat("ragmesh-lexical-", kRules, "/icu-", U_ICU_VERSION, "/snowball-2.2");
}

}  // namespace ragmesh::lexical
