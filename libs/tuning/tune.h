// Settings that rank best, and an honest estimate of what they gain.
//
// Coordinate descent: from the settings in force, one axis after the other takes the value with the
// highest mean nDCG@10, until a whole round changes nothing. What such a choice gains on the
// questions it was made by flatters it, so the gain is measured by k-fold cross-validation: the
// questions are cut into k parts, settings are chosen k times on all parts but one, and each choice
// is judged by the part it has not seen. The gain counts only when a paired permutation test says
// that chance would hardly bring it.
#ifndef RAGMESH_LIBS_TUNING_TUNE_H_
#define RAGMESH_LIBS_TUNING_TUNE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "libs/tuning/golden_set.h"
#include "libs/tuning/settings.h"
#include "libs/tuning/significance.h"

namespace ragmesh::tuning {

inline constexpr std::size_t kMinQuestions = 10;

struct TuneOptions {
  bool hybrid = true;     // false: the collection has no vectors
  std::size_t folds = 5;  // 2 to the number of questions
  std::size_t recall_cut = 10;
  double significance = 0.05;  // largest p-value of a gain that counts
  std::uint64_t seed = 1;      // of folds and tests
};

struct Quality {
  double ndcg_at_10 = 0;
  double recall = 0;  // at TuneOptions::recall_cut
  double mrr_at_10 = 0;
};

struct TuneReport {
  Settings before, after;  // after: chosen on all questions
  Quality quality_before;  // means over all questions
  Quality quality_after;   // of settings chosen without the question: cross-validated
  Quality quality_fitted;  // of `after` on the questions it was chosen by; flatters it
  double gain = 0;         // of cross-validated nDCG@10
  Interval interval;       // of the gain, 95 %
  double p_value = 1;
  bool significant = false;       // gain above 0 and p_value at most the bound
  std::vector<Settings> by_fold;  // what each choice came to
  std::size_t settings_tried = 0;
  // Lines of questions of which no setting found anything relevant: ids that are not there?
  std::vector<int> never_found;
};

// Each question's ranking under `settings`, best first, without repeats: names or ids, as the
// question says, at least max(10, recall_cut) where there are as many.
using Rankings = std::vector<std::vector<std::string>>;
using RankAll = absl::FunctionRef<absl::StatusOr<Rankings>(const Settings& settings)>;

// INVALID_ARGUMENT / TOO_FEW_QUESTIONS under 10; FAILED_PRECONDITION / NOTHING_RELEVANT_FOUND when
// no setting finds anything for any question; errors of `rank_all`, which is called once for
// different settings each. Deterministic.
absl::StatusOr<TuneReport> Tune(const std::vector<GoldenQuestion>& questions,
                                const Settings& in_force, const TuneOptions& options,
                                RankAll rank_all);

// About how many settings Tune tries where no gain is clear, for progress; fewer where one is.
std::size_t LikelySettings(const TuneOptions& options);

}  // namespace ragmesh::tuning

#endif  // RAGMESH_LIBS_TUNING_TUNE_H_
