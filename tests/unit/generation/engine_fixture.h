// An engine over made-up weights, and ways to ask it.
#ifndef RAGMESH_TESTS_UNIT_GENERATION_ENGINE_FIXTURE_H_
#define RAGMESH_TESTS_UNIT_GENERATION_ENGINE_FIXTURE_H_

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "libs/generation/engine.h"
#include "libs/generation/passage_folder.h"
#include "tests/unit/generation/tiny_model.h"

namespace ragmesh::generation {

using Tokens = std::vector<std::uint32_t>;

// Made-up weights say nothing, but they say it the same way every time.
class EngineTest : public ::testing::Test {
 protected:
  std::unique_ptr<Engine> Make(Engine::Options options, ComputeMode mode = ComputeMode::kFast) {
    TinyModel model = GoldenModel("llama");
    model.metadata["llama.context_length"] = 2048;
    if (mode == ComputeMode::kFast) {
      for (auto& [name, tensor] : model.tensors) {
        if (tensor.dimensions.size() == 2) tensor = ToQ8(tensor);
      }
    }
    auto decoder = Decoder::Create(*model.Open(),
                                   {.mode = mode, .max_rows = Engine::MaxRows(options)}, &pool_);
    EXPECT_TRUE(decoder.ok()) << decoder.status();
    block_bytes_ = (*decoder)->kv_shape().BlockBytes();
    std::unique_ptr<PassageFolder> folder;
    if (folder_.has_value()) {
      auto opened = PassageFolder::Open(*folder_, (*decoder)->kv_shape());
      EXPECT_TRUE(opened.ok()) << opened.status();
      folder = *std::move(opened);
    }
    return *Engine::Create(options, *std::move(decoder), std::move(folder));
  }

  Engine::Request Asks(std::uint32_t seed, std::size_t prompt, std::size_t answer,
                       const std::string& tenant = "") {
    Engine::Request request;
    std::mt19937 random(seed);
    for (std::size_t i = 0; i < prompt; ++i)
      request.prompt.push_back(static_cast<std::uint32_t>(random() % 96));
    request.max_tokens = answer;
    request.tenant = tenant;
    return request;
  }

  struct Answer {
    Tokens tokens;
    Engine::Outcome outcome;
  };
  static Answer Read(Engine::Stream& stream) {
    Answer answer;
    while (true) {
      const auto token = stream.Next();
      EXPECT_TRUE(token.ok()) << token.status();
      if (!token.ok() || !token->has_value()) break;
      answer.tokens.push_back((*token)->token);
    }
    answer.outcome = stream.outcome();
    return answer;
  }
  static Answer Ask(Engine& engine, Engine::Request request) {
    auto stream = engine.Submit(std::move(request), CallContext(absl::InfiniteFuture()));
    EXPECT_TRUE(stream.ok()) << stream.status();
    return Read(**stream);
  }
  // What each of the requests gets, all submitted before any is read.
  static std::vector<Answer> AskAll(Engine& engine, const std::vector<Engine::Request>& requests) {
    std::vector<std::unique_ptr<Engine::Stream>> streams;
    for (const Engine::Request& request : requests)
      streams.push_back(*engine.Submit(request, CallContext(absl::InfiniteFuture())));
    std::vector<Answer> answers(streams.size());
    std::vector<std::thread> readers;
    for (std::size_t i = 0; i < streams.size(); ++i)
      readers.emplace_back([&, i] { answers[i] = Read(*streams[i]); });
    for (std::thread& reader : readers) reader.join();
    return answers;
  }

  static Engine::Options Plain() {
    Engine::Options options;
    options.kv_bytes = 64 << 20;
    options.keep_prompts = options.guess = false;
    return options;
  }

  ComputePool pool_{2};
  std::size_t block_bytes_ = 0;
  std::optional<PassageFolder::Options> folder_;  // of engines made from now on
};

// What blending is to approximate, and what it must not depend on.
class BlendTest : public EngineTest {
 protected:
  static Engine::Options Blending() {
    Engine::Options options = Plain();
    options.blend_passages = true;
    return options;
  }
  // A beginning, passages of 100 tokens each, and a question.
  Engine::Request WithPassages(const std::vector<std::uint32_t>& seeds) {
    Engine::Request request = Asks(1000, 20, 12);
    for (const std::uint32_t seed : seeds) {
      const Tokens passage = Asks(seed, 100, 1).prompt;
      request.passages.push_back({request.prompt.size(), request.prompt.size() + passage.size()});
      request.prompt.insert(request.prompt.end(), passage.begin(), passage.end());
    }
    const Tokens question = Asks(2000, 15, 1).prompt;
    request.prompt.insert(request.prompt.end(), question.begin(), question.end());
    return request;
  }
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_TESTS_UNIT_GENERATION_ENGINE_FIXTURE_H_
