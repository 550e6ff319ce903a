#include "libs/stages/sampling.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::stages {
namespace {

std::string Fault(const Sampling& sampling) {
  const absl::Status status = CheckSampling(sampling, "s.");
  if (status.ok()) return "OK";
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_FALSE(GetErrorDetail(status)->next_step.empty()) << status;
  return GetErrorDetail(status)->field;
}

TEST(SamplingTest, DefaultsAndBoundsAreFine) {
  EXPECT_EQ(Fault({}), "OK");
  EXPECT_EQ(Fault({.temperature = 2,
                   .top_p = 1e-9,
                   .typical_p = 1e-9,
                   .xtc_probability = 1,
                   .xtc_threshold = 1,
                   .repeat_penalty = 10,
                   .repeat_last_n = -1,
                   .frequency_penalty = -2,
                   .presence_penalty = 2,
                   .dry_multiplier = 100,
                   .dry_base = 1,
                   .dry_allowed_length = 1 << 20,
                   .dry_penalty_last_n = 0,
                   .logit_bias = {{0, -100}, {1, 100}}}),
            "OK");
}

TEST(SamplingTest, EachFieldOutOfRangeIsNamed) {
  const std::vector<std::pair<std::string, Sampling>> cases = {
      {"temperature", {.temperature = 2.1}},
      {"temperature", {.temperature = NAN}},
      {"top_p", {.top_p = 0}},
      {"top_p", {.top_p = 1.1}},
      {"min_p", {.min_p = 1}},
      {"typical_p", {.typical_p = 0}},
      {"xtc_probability", {.xtc_probability = -0.1}},
      {"xtc_threshold", {.xtc_threshold = INFINITY}},
      {"repeat_penalty", {.repeat_penalty = 0}},
      {"repeat_penalty", {.repeat_penalty = 11}},
      {"repeat_last_n", {.repeat_last_n = -2}},
      {"frequency_penalty", {.frequency_penalty = 2.5}},
      {"presence_penalty", {.presence_penalty = -2.5}},
      {"dry_multiplier", {.dry_multiplier = -1}},
      {"dry_base", {.dry_base = 0.5}},
      {"dry_allowed_length", {.dry_allowed_length = 2'000'000}},
      {"dry_penalty_last_n", {.dry_penalty_last_n = -2}},
      {"dry_sequence_breakers", {.dry_sequence_breakers = {""}}},
      {"dry_sequence_breakers", {.dry_sequence_breakers = {std::string(41, 'x')}}},
      {"dry_sequence_breakers", {.dry_sequence_breakers = std::vector<std::string>(17, "x")}},
      {"logit_bias[5]", {.logit_bias = {{5, 101}}}},
      {"logit_bias[5]", {.logit_bias = {{5, NAN}}}},
      {"logit_bias", {.logit_bias = {{5, 1}, {6, 1}, {5, 2}}}},
      {"logit_bias", {.logit_bias = std::vector<LogitBias>(301)}}};
  for (const auto& [field, sampling] : cases) EXPECT_EQ(Fault(sampling), "s." + field);
}

}  // namespace
}  // namespace ragmesh::stages
