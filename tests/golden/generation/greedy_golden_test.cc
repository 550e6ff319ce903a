// What is written greedily in exact mode, against llama.cpp in f32: greedy.json, which
// make_greedy_goldens.py wrote. Here the shorter prompts of one model, several at a time; all
// prompts of all models take minutes: ./dev bench generator --accuracy --only greedy.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <thread>

#include "libs/generation/llama_generator.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::generation {
namespace {

using nlohmann::json;

constexpr std::size_t kPrompts = 48, kWritten = 12, kClients = 8;

const json& Golden() {
  static const auto* const golden = new json(json::parse(testing::ReadFileOrDie(
      std::string(std::getenv("RAGMESH_SOURCE_DIR")) + "/tests/golden/generation/greedy.json")));
  return *golden;
}

// Both write the end of a text as its last token.
std::vector<std::uint32_t> Expected(const json& written) {
  std::vector<std::uint32_t> ids = written;
  ids.resize(std::min(ids.size(), kWritten));
  return ids;
}

TEST(GreedyGoldenTest, HoldsTwoHundredPromptsForEachModel) {
  ASSERT_EQ(Golden()["prompts"].size(), 200u);
  ASSERT_EQ(Golden()["models"].size(), 4u);
  for (const json& model : Golden()["models"]) {
    EXPECT_EQ(model["written"].size(), 200u) << model["name"];
    EXPECT_EQ(model["prompt_tokens"].size(), 200u) << model["name"];
  }
}

TEST(GreedyGoldenTest, ExactModeWritesWhatLlamaCppWritesInF32) {
  const json& model = Golden()["models"][0];
  const auto path = testing::CachedModel(model["sha256"]);
  RAGMESH_SKIP_WITHOUT(path, "the model SmolLM2-135M (dev models)");
  GeneratorOptions options;
  options.path = path->string();
  options.mode = ComputeMode::kExact;
  options.max_streams = kClients;
  options.context = 512;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto generator, LoadGenerator(options));

  std::vector<std::size_t> order(200);
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return model["prompt_tokens"][a] < model["prompt_tokens"][b];
  });
  order.resize(kPrompts);
  std::vector<std::vector<std::uint32_t>> written(200);
  std::vector<absl::StatusOr<stages::GenerateResult>> results(200);
  std::atomic<std::size_t> next = 0;
  std::vector<std::thread> clients;
  for (std::size_t client = 0; client < kClients; ++client) {
    clients.emplace_back([&] {
      for (std::size_t at = next++; at < order.size(); at = next++) {
        const std::size_t i = order[at];
        stages::GenerateRequest request;
        request.prompt = stages::RawPrompt{.text = Golden()["prompts"][i], .parse_special = true};
        request.max_tokens = kWritten;
        results[i] = generator->Generate(
            request,
            [&ids = written[i]](const stages::TokenEvent& event) {
              ids.insert(ids.end(), event.token_ids.begin(), event.token_ids.end());
              return absl::OkStatus();
            },
            CallContext(absl::InfiniteFuture()));
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (const std::size_t i : order) {
    ASSERT_TRUE(results[i].ok()) << results[i].status();
    EXPECT_EQ(results[i]->usage.prompt_tokens, model["prompt_tokens"][i]) << "prompt " << i;
    EXPECT_EQ(written[i], Expected(model["written"][i])) << "prompt " << i;
  }
}

}  // namespace
}  // namespace ragmesh::generation
