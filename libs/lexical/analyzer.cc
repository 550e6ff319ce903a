#include "libs/lexical/analyzer.h"

#include <libstemmer.h>
#include <unicode/uversion.h>

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/lexical/term_map.h"
#include "libs/lexical/word_cutter.h"

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
      : english_(language == "en"),
        cutter_(language, kMaxTermBytes),
        stemmer_(sb_stemmer_new(StemmerName(language).c_str(), "UTF_8")) {}
  ~Session() {
    if (stemmer_ != nullptr) sb_stemmer_delete(stemmer_);
  }

  const std::string& TermOf(std::uint32_t number) const { return terms_[number]; }

  // Calls emit(number, position) for each term; the first word of `text` has the number `position`.
  // Returns the number after its last word. Numbers of terms are good until Trim.
  template <typename Emit>
  std::uint32_t Terms(absl::string_view text, std::uint32_t position, const Emit& emit) {
    const std::uint32_t next = cutter_.Cut(text, position);
    const auto words = cutter_.words();
    // What is known lies anywhere in memory, so all of it is sent for before the first is needed.
    keys_.clear();
    for (const WordCutter::Word& word : words) {
      keys_.push_back(TermKey::Padded(cutter_.TextOf(word)));
      if (!word.is_pair) stems_.Prefetch(keys_.back());
    }
    known_.clear();
    for (std::size_t i = 0; i < words.size(); ++i) {
      const std::uint32_t term = words[i].is_pair ? Numbered(keys_[i]) : StemOf(keys_[i]);
      if (term != kDropped) __builtin_prefetch(&marks_[term], 1);
      known_.push_back(term);
    }
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (known_[i] != kDropped) emit(known_[i], words[i].position);
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
    cutter_.Cut(text, 0);
    for (const WordCutter::Word& word : cutter_.words()) emit(cutter_.TextOf(word), word.position);
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
  WordCutter cutter_;
  sb_stemmer* const stemmer_;       // null: the language has none
  TermMap<std::uint32_t> stems_;    // number of its term by word, or kDropped
  TermMap<std::uint32_t> numbers_;  // term -> its place in terms_
  std::vector<std::string> terms_;  // by number
  std::vector<Mark> marks_;         // by number
  // Of the words that were cut last.
  std::vector<TermKey> keys_;
  std::vector<std::uint32_t> known_;  // their terms, or kDropped
  // Of the chunk that was analysed last.
  std::uint32_t chunk_ = 0;  // counted
  std::vector<Distinct> distinct_;
  std::vector<Placed> placed_;         // in the order of the text
  std::vector<Order> order_;           // of distinct_
  std::vector<std::uint32_t> starts_;  // by place in distinct_, in ChunkTerms::positions
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
