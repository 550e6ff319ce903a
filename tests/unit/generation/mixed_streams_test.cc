// Sixteen streams of one real model at the same time, of all kinds: what shares a pass, a cache or
// a guess changes no token of any of them.
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/generation/llama_generator.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/generation/golden_model.h"

namespace ragmesh::generation {
namespace {

constexpr std::size_t kStreams = 16;

// The i-th of them: greedy answers to short prompts, to long ones that begin alike, and quoting
// ones; draws with filters and penalties; JSON. Their lengths differ, so that streams end while
// others read their prompts.
stages::GenerateRequest Mixed(std::size_t i) {
  const std::string facts = [] {
    std::string text;
    for (int year = 1950; year < 1974; ++year)
      absl::StrAppend(&text, "In ", year, " the mill made ", 7 * (year - 1940), " tons of paper. ");
    return text;
  }();
  stages::GenerateRequest request;
  request.max_tokens = static_cast<std::uint32_t>(10 + 3 * (i % 7));
  const auto ask = [&request](std::string text) {
    request.prompt = stages::ChatMessages{{stages::ChatRole::kUser, std::move(text)}};
  };
  switch (i % 5) {
    case 0:
      ask(absl::StrCat("Name ", i + 3, " rivers."));
      break;
    case 1:
      ask(absl::StrCat(facts, "How much paper was made in ", 1950 + i, "?"));
      break;
    case 2:
      ask(absl::StrCat("Repeat word for word: ", facts.substr(0, 40 * i)));
      break;
    case 3:
      ask("Tell me a story.");
      request.sampling = {.temperature = 1.1,
                          .top_p = 0.95,
                          .min_p = 0.02,
                          .xtc_probability = 0.3,
                          .repeat_penalty = 1.1,
                          .dry_multiplier = 0.8,
                          .seed = 100 + i};
      break;
    default:
      ask("Describe Paris as JSON.");
      request.format.kind = stages::OutputFormat::Kind::kJsonObject;
      request.sampling = {.temperature = 0.8, .seed = i};
      break;
  }
  return request;
}

class MixedStreamsTest : public ::testing::Test {
 protected:
  void SetUp() override { RAGMESH_REQUIRE_SMOLLM(); }

  std::unique_ptr<stages::Generator> Load(std::size_t streams, bool guess) {
    GeneratorOptions options;
    options.path = SmolLmPath()->string();
    options.max_streams = streams;
    options.guess = guess;
    auto generator = LoadGenerator(options);
    EXPECT_THAT(generator, testing::IsOk());
    return *std::move(generator);
  }

  static std::vector<std::uint32_t> Run(stages::Generator& generator,
                                        const stages::GenerateRequest& request) {
    std::vector<std::uint32_t> ids;
    const auto result = generator.Generate(
        request,
        [&ids](const stages::TokenEvent& event) {
          ids.insert(ids.end(), event.token_ids.begin(), event.token_ids.end());
          return absl::OkStatus();
        },
        CallContext(absl::InfiniteFuture()));
    EXPECT_THAT(result, testing::IsOk());
    return ids;
  }
};

TEST_F(MixedStreamsTest, EachWritesWhatItWritesAlone) {
  const auto one = Load(1, /*guess=*/false), many = Load(kStreams, /*guess=*/true);
  std::vector<std::vector<std::uint32_t>> alone, together(kStreams);
  for (std::size_t i = 0; i < kStreams; ++i) alone.push_back(Run(*one, Mixed(i)));
  // Twice: the second time, all prompts begin as some that are kept.
  for (int round = 0; round < 2; ++round) {
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kStreams; ++i)
      threads.emplace_back([&, i] { together[i] = Run(*many, Mixed(i)); });
    for (std::thread& thread : threads) thread.join();
    for (std::size_t i = 0; i < kStreams; ++i) {
      EXPECT_FALSE(alone[i].empty()) << i;
      EXPECT_EQ(together[i], alone[i]) << "stream " << i << ", round " << round;
    }
  }
}

}  // namespace
}  // namespace ragmesh::generation
