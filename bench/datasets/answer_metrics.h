// Exact match and token F1 as the SQuAD evaluation script defines them (Rajpurkar et al., 2016):
// lower case, without punctuation and articles, white space folded; the best over all accepted
// answers counts.
#ifndef RAGMESH_BENCH_DATASETS_ANSWER_METRICS_H_
#define RAGMESH_BENCH_DATASETS_ANSWER_METRICS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::bench {

std::string NormaliseAnswer(absl::string_view answer);

// `accepted` is not empty.
bool ExactMatch(absl::string_view answer, const std::vector<std::string>& accepted);
double TokenF1(absl::string_view answer, const std::vector<std::string>& accepted);

// Share of the tokens of the best-covered accepted answer that occur in `answer`: how often a long
// answer contains the right words.
double TokenRecall(absl::string_view answer, const std::vector<std::string>& accepted);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_DATASETS_ANSWER_METRICS_H_
