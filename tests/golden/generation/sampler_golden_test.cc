// What may be drawn, against a reference in Python that follows the definitions literally:
// sampler_vectors.json, which make_sampler_vectors.py wrote.
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "libs/generation/sampler.h"
#include "libs/testing/test_data.h"

namespace ragmesh::generation {
namespace {

using nlohmann::json;

// The members of `in` over those of a sampler at temperature 1.
stages::Sampling ReadSampling(const json& in) {
  stages::Sampling s{.temperature = 1};
  s.temperature = in.value("temperature", s.temperature);
  s.top_k = in.value("top_k", s.top_k);
  s.top_p = in.value("top_p", s.top_p);
  s.min_p = in.value("min_p", s.min_p);
  s.typical_p = in.value("typical_p", s.typical_p);
  s.xtc_probability = in.value("xtc_probability", s.xtc_probability);
  s.xtc_threshold = in.value("xtc_threshold", s.xtc_threshold);
  s.repeat_penalty = in.value("repeat_penalty", s.repeat_penalty);
  s.repeat_last_n = in.value("repeat_last_n", s.repeat_last_n);
  s.frequency_penalty = in.value("frequency_penalty", s.frequency_penalty);
  s.presence_penalty = in.value("presence_penalty", s.presence_penalty);
  s.dry_multiplier = in.value("dry_multiplier", s.dry_multiplier);
  s.dry_base = in.value("dry_base", s.dry_base);
  s.dry_allowed_length = in.value("dry_allowed_length", s.dry_allowed_length);
  s.dry_penalty_last_n = in.value("dry_penalty_last_n", s.dry_penalty_last_n);
  const json biases = in.value("logit_bias", json::object());
  for (const auto& [id, bias] : biases.items())
    s.logit_bias.push_back({static_cast<std::uint32_t>(std::stoul(id)), bias.get<float>()});
  return s;
}

// Tokens that are breakers by themselves: token i is spelled "<i>".
std::shared_ptr<const SequenceBreakers> ReadBreakers(const json& ids) {
  std::vector<std::string> texts, words;
  for (const std::uint32_t id : ids) texts.push_back("<" + std::to_string(id) + ">");
  for (std::uint32_t id = 0; id < 100; ++id) words.push_back("<" + std::to_string(id) + ">");
  return SequenceBreakers::Create(
      texts, words.size(), [&](std::uint32_t id) { return absl::string_view(words[id]); },
      [](absl::string_view) { return std::vector<std::uint32_t>(); });
}

TEST(SamplerGoldenTest, DistributionsAreThoseOfTheReference) {
  const std::string source = std::getenv("RAGMESH_SOURCE_DIR");
  const json cases =
      json::parse(testing::ReadFileOrDie(source + "/tests/golden/generation/sampler_vectors.json"));
  ASSERT_EQ(cases.size(), 80u);
  for (const json& golden : cases) {
    SCOPED_TRACE(golden["sampling"].dump());
    Sampler sampler(ReadSampling(golden["sampling"]), 1, ReadBreakers(golden["breakers"]));
    const auto logits = golden["logits"].get<std::vector<float>>();
    const auto context = golden["context"].get<std::vector<std::uint32_t>>();
    const auto found = sampler.Distribution({.logits = logits, .context = context});
    ASSERT_EQ(found.size(), golden["candidates"].size());
    for (const Candidate& candidate : found) {
      const std::string id = std::to_string(candidate.id);
      ASSERT_TRUE(golden["candidates"].contains(id)) << id;
      const double expected = golden["candidates"][id];
      EXPECT_NEAR(candidate.probability, expected, 1e-5 * expected + 1e-9) << id;
    }
  }
}

}  // namespace
}  // namespace ragmesh::generation
