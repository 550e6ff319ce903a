#include "libs/ranking/fusion.h"

#include <algorithm>
#include <cmath>

#include "libs/base/check.h"

namespace ragmesh::ranking {
namespace {

using Score = std::optional<double> Candidate::*;

stages::ScoreScale ScaleOf(const std::vector<Candidate>& candidates, Score score) {
  // Added up in order of size, so that the sums round the same way however the candidates came.
  std::vector<double> values;
  values.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    RAGMESH_CHECK((candidate.*score).has_value(), "z-score reads both scores of each candidate");
    values.push_back(*(candidate.*score));
  }
  std::sort(values.begin(), values.end());
  stages::ScoreScale scale;
  const double n = static_cast<double>(values.size());
  for (const double value : values) scale.mean += value / n;
  double variance = 0;
  for (const double value : values) variance += (value - scale.mean) * (value - scale.mean) / n;
  // Equal scores can differ from their mean by rounding, which must not be blown up to a deviation
  // of 1.
  const double deviation = std::sqrt(variance);
  if (deviation > 1e-12 * std::max(1.0, std::abs(scale.mean))) scale.deviation = deviation;
  return scale;
}

double Scaled(double score, const stages::ScoreScale& scale) {
  return scale.deviation > 0 ? (score - scale.mean) / scale.deviation : 0;
}

double ReciprocalRank(std::optional<std::uint32_t> rank, double constant) {
  return rank.has_value() ? 1 / (constant + *rank) : 0;
}

}  // namespace

FusionScales Fuse(const stages::Fusion& fusion, ComesFirst comes_first,
                  std::vector<Candidate>* candidates) {
  FusionScales scales;
  if (fusion.method == stages::FusionMethod::kReciprocalRank) {
    for (Candidate& candidate : *candidates) {
      candidate.dense_part = ReciprocalRank(candidate.dense_rank, fusion.rank_constant);
      candidate.lexical_part = ReciprocalRank(candidate.lexical_rank, fusion.rank_constant);
    }
  } else {
    scales.dense = ScaleOf(*candidates, &Candidate::dense_score);
    scales.lexical = ScaleOf(*candidates, &Candidate::lexical_score);
    for (Candidate& candidate : *candidates) {
      candidate.dense_part = fusion.dense_weight * Scaled(*candidate.dense_score, *scales.dense);
      candidate.lexical_part =
          (1 - fusion.dense_weight) * Scaled(*candidate.lexical_score, *scales.lexical);
    }
  }
  for (Candidate& candidate : *candidates)
    candidate.score = candidate.dense_part + candidate.lexical_part;
  std::sort(candidates->begin(), candidates->end(),
            [comes_first](const Candidate& a, const Candidate& b) {
              return a.score != b.score ? a.score > b.score : comes_first(a.item, b.item);
            });
  return scales;
}

}  // namespace ragmesh::ranking
