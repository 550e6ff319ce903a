#include "libs/generation/logprobs.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace ragmesh::generation {
namespace {

const std::vector<float> kLogits = {1.0f, 3.0f, 2.0f, 3.0f, -1.0f};

TEST(LogprobsTest, AreTheLogSoftmaxOfTheLogits) {
  double total = 0;
  for (const float logit : kLogits) total += std::exp(logit);
  const stages::TokenLogprobs logprobs = ReadLogprobs(kLogits, 4, 3);
  EXPECT_EQ(logprobs.chosen.token_id, 4u);
  EXPECT_NEAR(logprobs.chosen.logprob, -1 - std::log(total), 1e-6);
  ASSERT_EQ(logprobs.top.size(), 3u);
  EXPECT_EQ(logprobs.top[0].token_id, 1u);  // the lower id among equals
  EXPECT_EQ(logprobs.top[1].token_id, 3u);
  EXPECT_EQ(logprobs.top[2].token_id, 2u);
  EXPECT_NEAR(logprobs.top[2].logprob, 2 - std::log(total), 1e-6);
}

TEST(LogprobsTest, NoAlternativesUnlessAskedFor) {
  EXPECT_TRUE(ReadLogprobs(kLogits, 0, 0).top.empty());
  EXPECT_EQ(ReadLogprobs(kLogits, 0, 20).top.size(), 5u);
}

TEST(LogprobsTest, AreFiniteWhateverTheLogits) {
  const float infinity = std::numeric_limits<float>::infinity();
  const std::vector<float> wild = {-infinity, 3e38f, NAN, -3e38f};
  EXPECT_EQ(ReadLogprobs(wild, 1, 0).chosen.logprob, 0);
  for (const std::uint32_t id : {0u, 2u, 3u})
    EXPECT_EQ(ReadLogprobs(wild, id, 2).chosen.logprob, -9999);
}

}  // namespace
}  // namespace ragmesh::generation
