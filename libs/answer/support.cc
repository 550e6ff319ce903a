#include "libs/answer/support.h"

#include <algorithm>

namespace ragmesh::answer {
namespace {

// A paraphrase of one sentence keeps about three quarters of its rare words; a sentence about
// something else that shares the topic's words seldom reaches two thirds. Tuned by `./dev bench
// answers`.
constexpr double kNeededWithMeaning = 0.62;
constexpr double kNeededByWordsAlone = 0.70;

// Words that a sentence puts side by side belong together in the evidence too: within this many
// content words of each other, for at least this share of the pairs. A long enumeration holds the
// words of many statements that it does not make.
constexpr std::size_t kNear = 3;
constexpr double kNeededPairs = 0.6;

// Share of the neighbouring terms in `claim` that are near each other in `evidence`, in any order;
// 1 for fewer than two.
double TogetherShare(const std::vector<std::string>& claim,
                     const std::vector<std::string>& evidence) {
  const auto near = [&evidence](const std::string& a, const std::string& b) {
    for (std::size_t i = 0; i < evidence.size(); ++i) {
      if (evidence[i] != a) continue;
      const std::size_t end = std::min(evidence.size(), i + kNear + 1);
      for (std::size_t j = i < kNear ? 0 : i - kNear; j < end; ++j) {
        if (evidence[j] == b) return true;
      }
    }
    return false;
  };
  std::size_t pairs = 0, together = 0;
  for (std::size_t i = 1; i < claim.size(); ++i) {
    if (claim[i - 1] == claim[i]) continue;
    ++pairs;
    together += near(claim[i - 1], claim[i]);
  }
  return pairs == 0 ? 1 : static_cast<double>(together) / static_cast<double>(pairs);
}

bool Contains(const std::set<std::string>& all, const std::set<std::string>& wanted) {
  return std::includes(all.begin(), all.end(), wanted.begin(), wanted.end());
}

// Names are compared as words of any case: a name may begin the evidence's sentence.
bool HasNames(const std::set<std::string>& names, const Words& around) {
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    if (around.names.count(name) != 0 || around.terms.count(name) != 0) return true;
    const Words alone = ReadWords(name);
    return !alone.terms.empty() && Contains(around.terms, alone.terms);
  });
}

}  // namespace

Support CheckSupport(absl::string_view generated, const std::vector<float>& vector,
                     const Evidence& evidence) {
  const Words words = ReadWords(generated);
  Support best;
  if (words.terms.empty()) return best;  // "Yes." says nothing that could be checked
  for (std::size_t i = 0; i < evidence.sentences().size(); ++i) {
    const Sentence& sentence = evidence.sentences()[i];
    const Words& passage = evidence.passage_words(sentence.passage);
    const double coverage = evidence.Coverage(words.terms, sentence.words.terms, passage.terms);
    const bool meaning = !vector.empty() && !sentence.vector.empty();
    const double score =
        meaning ? 0.7 * coverage + 0.3 * std::max(0.0, Cosine(vector, sentence.vector)) : coverage;
    const bool holds = score >= (meaning ? kNeededWithMeaning : kNeededByWordsAlone) &&
                       Contains(sentence.words.numbers, words.numbers) &&
                       HasNames(words.names, passage) && words.negated == sentence.words.negated &&
                       TogetherShare(words.order, sentence.words.order) >= kNeededPairs;
    // A match that holds beats a nearer one that does not.
    if (holds > best.supported || (holds == best.supported && score > best.score)) {
      best = {holds, std::min(1.0, score), i};
    }
  }
  return best;
}

}  // namespace ragmesh::answer
