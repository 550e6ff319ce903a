#include "bench/datasets/answer_metrics.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace ragmesh::bench {
namespace {

std::vector<std::string> Tokens(absl::string_view answer) {
  return absl::StrSplit(NormaliseAnswer(answer), ' ', absl::SkipEmpty());
}

// Tokens in common, with multiplicity.
double Common(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::map<std::string, int> counts;
  for (const std::string& token : a) ++counts[token];
  int common = 0;
  for (const std::string& token : b) common += counts[token]-- > 0;
  return common;
}

}  // namespace

std::string NormaliseAnswer(absl::string_view answer) {
  std::string letters;
  for (const char c : answer) {
    if (!absl::ascii_ispunct(static_cast<unsigned char>(c)))
      letters += absl::ascii_tolower(static_cast<unsigned char>(c));
  }
  std::vector<absl::string_view> words =
      absl::StrSplit(letters, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
  words.erase(
      std::remove_if(words.begin(), words.end(),
                     [](absl::string_view w) { return w == "a" || w == "an" || w == "the"; }),
      words.end());
  return absl::StrJoin(words, " ");
}

bool ExactMatch(absl::string_view answer, const std::vector<std::string>& accepted) {
  const std::string normalised = NormaliseAnswer(answer);
  return std::any_of(accepted.begin(), accepted.end(),
                     [&](const std::string& a) { return NormaliseAnswer(a) == normalised; });
}

double TokenF1(absl::string_view answer, const std::vector<std::string>& accepted) {
  const auto predicted = Tokens(answer);
  double best = 0;
  for (const std::string& candidate : accepted) {
    const auto truth = Tokens(candidate);
    if (predicted.empty() || truth.empty()) {
      best = std::max(best, predicted.empty() == truth.empty() ? 1.0 : 0.0);
      continue;
    }
    best = std::max(best, 2 * Common(predicted, truth) / (predicted.size() + truth.size()));
  }
  return best;
}

double TokenRecall(absl::string_view answer, const std::vector<std::string>& accepted) {
  const auto predicted = Tokens(answer);
  double best = 0;
  for (const std::string& candidate : accepted) {
    const auto truth = Tokens(candidate);
    if (!truth.empty()) best = std::max(best, Common(predicted, truth) / truth.size());
  }
  return best;
}

}  // namespace ragmesh::bench
