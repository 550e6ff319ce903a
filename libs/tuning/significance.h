// Whether one way of ranking is better than another, or the questions just happened to suit it.
#ifndef RAGMESH_LIBS_TUNING_SIGNIFICANCE_H_
#define RAGMESH_LIBS_TUNING_SIGNIFICANCE_H_

#include <cstdint>

#include "absl/types/span.h"

namespace ragmesh::tuning {

struct Interval {
  double low = 0;
  double high = 0;
};

// Paired permutation test, two-sided: how likely differences this far from 0 on average are when
// each might as well have had the other sign (Smucker, Allan and Carterette, CIKM 2007, compare the
// tests for retrieval). All signs up to 16 differences, 10,000 drawn ones over that. In (0, 1]; 1
// without differences. The same input and seed give the same answer.
double PairedPermutation(absl::Span<const double> differences, std::uint64_t seed);

// The middle 95 % of the means of 5,000 samples drawn with replacement (Efron's percentile
// bootstrap). {0, 0} without differences.
Interval BootstrapInterval(absl::Span<const double> differences, std::uint64_t seed);

}  // namespace ragmesh::tuning

#endif  // RAGMESH_LIBS_TUNING_SIGNIFICANCE_H_
