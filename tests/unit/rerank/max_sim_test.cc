#include "libs/rerank/max_sim.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace ragmesh::rerank {
namespace {

// Token vectors as encoders make them: most numbers small, a few large.
std::vector<float> Hidden(std::size_t tokens, std::size_t width, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> hidden(tokens * width);
  for (std::size_t i = 0; i < hidden.size(); ++i)
    hidden[i] = normal(random) * (i % 97 == 0 ? 4 : 1);
  return hidden;
}

double Score(const linalg::Kernels& kernels, std::size_t width, const std::vector<float>& query,
             const std::vector<float>& passage) {
  const auto round = [&](const std::vector<float>& hidden) {
    return embedding::RoundTokenVectors(kernels, hidden.size() / width, hidden);
  };
  const embedding::TokenVectors rounded = round(passage);
  return MaxSim(kernels, width, true, round(query)).Score(rounded.bytes, rounded.rows);
}

double Exact(std::size_t width, const std::vector<float>& query,
             const std::vector<float>& passage) {
  const auto dot = [width](const float* a, const float* b) {
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i) sum += static_cast<double>(a[i]) * b[i];
    return sum;
  };
  double sum = 0;
  for (std::size_t q = 0; q < query.size(); q += width) {
    double best = -1;
    for (std::size_t p = 0; p < passage.size(); p += width) {
      const float *a = &query[q], *b = &passage[p];
      best = std::max(best, dot(a, b) / std::sqrt(dot(a, a) * dot(b, b)));
    }
    sum += best;
  }
  return sum / static_cast<double>(query.size() / width);
}

// A passage is scored in one product, whose rows lie where they were stored: at any byte, in
// numbers that fill no tile, by queries that fill no panel.
TEST(MaxSimTest, HasTheSameBitsInEveryTableAndIsNearTheExactOne) {
  for (const std::size_t width : {4u, 36u, 384u}) {
    for (const std::size_t query_tokens : {1u, 16u, 70u}) {
      for (const std::size_t passage_tokens : {1u, 7u, 33u}) {
        const auto query = Hidden(query_tokens, width, 1),
                   passage = Hidden(passage_tokens, width, 2);
        const double scalar = Score(*linalg::SupportedKernels()[0], width, query, passage);
        EXPECT_NEAR(scalar, Exact(width, query, passage), width < 384 ? 4e-3 : 2e-3);
        for (const linalg::Kernels* kernels : linalg::SupportedKernels())
          EXPECT_EQ(Score(*kernels, width, query, passage), scalar) << kernels->name;
      }
    }
  }
}

TEST(MaxSimTest, WithoutSpecialTokensTheEndsAreLeftOut) {
  const linalg::Kernels& kernels = linalg::DefaultKernels();
  const std::vector<float> ends = {1, 0, 0, 0}, inner = {0, 1, 0, 0}, other = {0, 0, 1, 0};
  const auto round = [&](std::initializer_list<std::vector<float>> rows) {
    std::vector<float> hidden;
    for (const auto& row : rows) hidden.insert(hidden.end(), row.begin(), row.end());
    return embedding::RoundTokenVectors(kernels, rows.size(), hidden);
  };
  const auto query = round({ends, inner, ends}), passage = round({ends, other, ends});
  EXPECT_NEAR(MaxSim(kernels, 4, true, query).Score(passage.bytes, passage.rows), 2.0 / 3, 1e-6);
  EXPECT_EQ(MaxSim(kernels, 4, false, query).Score(passage.bytes, passage.rows), 0);
  const auto nothing = round({ends, ends});  // an empty passage has nothing else
  EXPECT_EQ(MaxSim(kernels, 4, false, query).Score(nothing.bytes, nothing.rows), 0);
  EXPECT_NEAR(MaxSim(kernels, 4, false, nothing).Score(nothing.bytes, nothing.rows), 1, 1e-6);
}

}  // namespace
}  // namespace ragmesh::rerank
