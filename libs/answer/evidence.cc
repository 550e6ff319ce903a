#include "libs/answer/evidence.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/text/sentences.h"

namespace ragmesh::answer {
namespace {

// Headings, table rows and lines of code share many words with a question and seldom answer it.
constexpr double kWorthOfAFragment = 0.85;

// A sentence of nothing but the question's words does not answer it; with this many others it may.
constexpr std::size_t kNewTermsOfAnAnswer = 3;
constexpr double kWorthPerMissingTerm = 0.1;

bool IsWholeSentence(absl::string_view text) {
  // Closing quotes and brackets may follow the stop.
  while (!text.empty() && absl::StrContains(")]\"'*_`", text.back())) text.remove_suffix(1);
  for (const absl::string_view closing : {"\u201d", "\u2019", "\u00bb"}) {
    while (absl::ConsumeSuffix(&text, closing)) {
    }
  }
  if (absl::StrContains(text, " | ")) return false;
  for (const absl::string_view stop :
       {".", "!", "?", ":", ";", "\u2026", "\u3002", "\uff01", "\uff1f", "\u0964"}) {
    if (absl::EndsWith(text, stop)) return true;
  }
  return false;
}

// "It reads:", and what it reads: the end of the list that follows the sentence at `first`, or of
// the sentence itself.
std::size_t EndWithList(absl::string_view text, const std::vector<text::SentenceRange>& ranges,
                        std::size_t first) {
  constexpr std::size_t kMaxItems = 8, kMaxItemBytes = 160;
  std::size_t end = ranges[first].end;
  if (text[end - 1] != ':') return end;
  for (std::size_t i = first + 1; i < ranges.size() && i <= first + kMaxItems; ++i) {
    const absl::string_view item = text.substr(ranges[i].begin, ranges[i].end - ranges[i].begin);
    const bool own_line = absl::StrContains(text.substr(end, ranges[i].begin - end), '\n');
    if (!own_line || item.size() > kMaxItemBytes || IsWholeSentence(item) ||
        ranges[i].end - ranges[first].begin > Evidence::kMaxSentenceBytes) {
      break;
    }
    end = ranges[i].end;
  }
  return end;
}

}  // namespace

std::string OnOneLine(absl::string_view text) {
  std::string line;
  for (const absl::string_view part : absl::StrSplit(text, '\n')) {
    const absl::string_view item = absl::StripAsciiWhitespace(part);
    if (item.empty()) continue;
    if (!line.empty()) line += line.back() == ':' ? " " : "; ";
    absl::StrAppend(&line, item);
  }
  return line;
}

std::string TextToEmbed(const Sentence& sentence) {
  if (sentence.heading.empty() || sentence.heading == sentence.text) return sentence.text;
  return absl::StrCat(sentence.heading, ": ", sentence.text);
}

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i)
    sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

Evidence::Evidence(absl::string_view question, absl::Span<const stages::StoredChunk> passages)
    : question_(ReadWords(question)) {
  for (std::size_t p = 0; p < passages.size(); ++p) {
    const stages::Chunk& chunk = passages[p].chunk;
    Words around = ReadWords(absl::StrCat(chunk.context, "\n", passages[p].document_name));
    const std::vector<text::SentenceRange> ranges = text::SplitSentences(chunk.text);
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      if (sentences_.size() == kMaxSentences) break;
      const text::SentenceRange range{ranges[i].begin, EndWithList(chunk.text, ranges, i)};
      if (range.end - range.begin > kMaxSentenceBytes) continue;
      Sentence sentence;
      sentence.passage = p;
      sentence.range = {chunk.overlap_begin + range.begin, chunk.overlap_begin + range.end};
      sentence.text = chunk.text.substr(range.begin, range.end - range.begin);
      if (!chunk.heading_path.empty()) sentence.heading = chunk.heading_path.back();
      sentence.words = ReadWords(sentence.text);
      if (sentence.words.terms.empty()) continue;
      for (const std::string& term : sentence.words.terms) ++sentence_counts_[term];
      Merge(sentence.words, &around);
      sentences_.push_back(std::move(sentence));
    }
    passage_words_.push_back(std::move(around));
  }
  Score({}, {});
}

double Evidence::Weight(const std::string& term) const {
  const auto it = sentence_counts_.find(term);
  const double count = it == sentence_counts_.end() ? 0 : it->second;
  return std::log(1 + (static_cast<double>(sentences_.size()) + 1) / (count + 1));
}

double Evidence::Coverage(const std::set<std::string>& wanted, const std::set<std::string>& direct,
                          const std::set<std::string>& nearby) const {
  double found = 0, all = 0;
  for (const std::string& term : wanted) {
    const double weight = Weight(term);
    all += weight;
    if (direct.count(term) != 0) {
      found += weight;
    } else if (nearby.count(term) != 0) {
      found += weight / 2;
    }
  }
  return all == 0 ? 1 : found / all;
}

void Evidence::Score(std::vector<std::vector<float>> vectors,
                     const std::vector<float>& question_vector) {
  has_vectors_ = !sentences_.empty() && vectors.size() == sentences_.size();
  for (std::size_t i = 0; i < sentences_.size(); ++i) {
    Sentence& sentence = sentences_[i];
    const double words = question_.terms.empty() ? 0
                                                 : Coverage(question_.terms, sentence.words.terms,
                                                            passage_words_[sentence.passage].terms);
    sentence.relevance = words;
    if (has_vectors_) {
      sentence.vector = std::move(vectors[i]);
      sentence.relevance =
          0.5 * words + 0.5 * std::max(0.0, Cosine(sentence.vector, question_vector));
    }
  }
  std::vector<double> worth;
  for (const Sentence& sentence : sentences_) {
    std::size_t fresh = 0;
    for (const std::string& term : sentence.words.terms) fresh += question_.terms.count(term) == 0;
    const auto missing =
        static_cast<double>(kNewTermsOfAnAnswer - std::min(kNewTermsOfAnAnswer, fresh));
    worth.push_back(sentence.relevance * (1 - kWorthPerMissingTerm * missing) *
                    (IsWholeSentence(sentence.text) ? 1 : kWorthOfAFragment));
  }
  by_relevance_.resize(sentences_.size());
  std::iota(by_relevance_.begin(), by_relevance_.end(), 0);
  std::stable_sort(by_relevance_.begin(), by_relevance_.end(),
                   [&worth](std::size_t a, std::size_t b) { return worth[a] > worth[b]; });
}

}  // namespace ragmesh::answer
