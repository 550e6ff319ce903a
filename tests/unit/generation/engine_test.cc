#include "libs/generation/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/unit/generation/engine_fixture.h"

namespace ragmesh::generation {
namespace {

TEST_F(EngineTest, GuessesChangeNoToken) {
  Engine::Options options = Plain();
  auto plain = Make(options);
  options.guess = true;
  auto guesses = Make(options);
  std::size_t right = 0;
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    for (const double temperature : {0.0, 0.7}) {
      Engine::Request request = Asks(seed, 40, 200);
      request.sampling.temperature = temperature;
      request.seed = seed;
      const Answer expected = Ask(*plain, request), actual = Ask(*guesses, request);
      EXPECT_EQ(actual.tokens, expected.tokens);
      EXPECT_EQ(expected.outcome.guessed, 0);
      right += actual.outcome.guessed_right;
    }
  }
  EXPECT_GT(right, 0) << "nothing was guessed, so nothing was tested";
}

TEST_F(EngineTest, AKeptPromptIsNotReadAgainAndChangesNoToken) {
  for (const ComputeMode mode : {ComputeMode::kFast, ComputeMode::kExact}) {
    Engine::Options options = Plain();
    auto plain = Make(options, mode);
    options.keep_prompts = true;
    auto keeps = Make(options, mode);
    const Engine::Request request = Asks(1, 100, 30);
    const Tokens expected = Ask(*plain, request).tokens;
    EXPECT_EQ(Ask(*keeps, request).outcome.cached_tokens, 0);
    const Answer again = Ask(*keeps, request);
    EXPECT_EQ(again.outcome.cached_tokens, 99);  // all but the last, which is always read
    EXPECT_EQ(again.tokens, expected);
    // An answer is kept too, for the next turn of a conversation.
    Engine::Request next = request;
    next.prompt.insert(next.prompt.end(), expected.begin(), expected.end());
    const Answer turn = Ask(*keeps, next);
    EXPECT_EQ(turn.outcome.cached_tokens, 128);
    EXPECT_EQ(turn.tokens, Ask(*plain, next).tokens);
  }
}

TEST_F(EngineTest, APromptOfWholeBlocksIsReadFromItsLastTokenOn) {
  Engine::Options options = Plain();
  options.keep_prompts = true;
  auto engine = Make(options);
  const Engine::Request request = Asks(1, 64, 5);
  const Tokens expected = Ask(*engine, request).tokens;
  const Answer again = Ask(*engine, request);
  EXPECT_EQ(again.outcome.cached_tokens, 63);
  EXPECT_EQ(again.tokens, expected);
}

TEST_F(EngineTest, TenantsShareNoPrompts) {
  Engine::Options options = Plain();
  options.keep_prompts = true;
  auto engine = Make(options);
  Ask(*engine, Asks(1, 100, 2, "one"));
  EXPECT_EQ(Ask(*engine, Asks(1, 100, 2, "two")).outcome.cached_tokens, 0);
  EXPECT_EQ(Ask(*engine, Asks(1, 100, 2, "one")).outcome.cached_tokens, 96);
}

TEST_F(EngineTest, SixteenMixedStreamsWriteWhatEachWritesAlone) {
  Engine::Options options = Plain();
  auto alone = Make(options);
  options.keep_prompts = options.guess = true;
  options.max_streams = 16;
  auto together = Make(options);
  std::vector<Engine::Request> requests;
  for (std::uint32_t i = 0; i < 16; ++i) requests.push_back(Asks(i / 2, 5 + 23 * i, 20 + 5 * i));
  const std::vector<Answer> answers = AskAll(*together, requests);
  for (std::size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(answers[i].tokens, Ask(*alone, requests[i]).tokens) << i;
}

TEST_F(EngineTest, StreamsThatFindNoMemoryStartAgainWithTheSameText) {
  Engine::Options options = Plain();
  auto alone = Make(options);
  options.keep_prompts = true;
  options.kv_bytes = 12 * block_bytes_;  // 384 positions; the streams together want 1,200
  auto scarce = Make(options);
  std::vector<Engine::Request> requests;
  for (std::uint32_t i = 0; i < 4; ++i) requests.push_back(Asks(i, 50, 250));
  const std::vector<Answer> answers = AskAll(*scarce, requests);
  std::size_t preemptions = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(answers[i].tokens, Ask(*alone, requests[i]).tokens) << i;
    preemptions += answers[i].outcome.preemptions;
  }
  EXPECT_GT(preemptions, 0) << "memory was not scarce, so nothing was tested";
}

TEST_F(EngineTest, KeptPromptsMakeRoomForStreams) {
  Engine::Options options = Plain();
  Make(options);
  options.keep_prompts = true;
  options.kv_bytes = 8 * block_bytes_;
  auto engine = Make(options);
  for (std::uint32_t i = 0; i < 20; ++i)
    EXPECT_EQ(Ask(*engine, Asks(i, 100, 150)).tokens.size(), 150);
}

TEST_F(EngineTest, TheContextIsNoLargerThanTheMemory) {
  Engine::Options options = Plain();
  Make(options);
  options.kv_bytes = 3 * block_bytes_;
  EXPECT_EQ(Make(options)->context(), 96);
}

TEST_F(BlendTest, TheTextDependsOnThePromptAloneNotOnWhatWasAskedBefore) {
  Engine::Options options = Blending();
  auto fresh = Make(options);
  const Answer expected = Ask(*fresh, WithPassages({1, 2, 3}));
  EXPECT_EQ(expected.outcome.blended_tokens, 3 * 85);
  const Answer warm = Ask(*fresh, WithPassages({1, 2, 3}));
  EXPECT_EQ(warm.tokens, expected.tokens);
  options.keep_prompts = true;
  auto other = Make(options);
  Engine::Request unmarked = WithPassages({1, 2, 3});
  unmarked.passages.clear();
  Ask(*other, unmarked);
  Ask(*other, WithPassages({3, 7}));
  Ask(*other, WithPassages({2, 1}));
  EXPECT_EQ(Ask(*other, WithPassages({1, 2, 3})).tokens, expected.tokens);
}

TEST_F(BlendTest, WhatWasBlendedIsNotKeptAsIfItWereExact) {
  Engine::Options options = Plain();
  auto exact = Make(options);
  options.blend_passages = options.keep_prompts = true;
  auto blends = Make(options);
  Engine::Request request = WithPassages({1, 2, 3});
  Ask(*blends, request);
  const Tokens expected = Ask(*exact, request).tokens;
  request.passages.clear();  // now it is to be read as it is
  const Answer plain = Ask(*blends, request);
  EXPECT_EQ(plain.tokens, expected);
  EXPECT_LE(plain.outcome.cached_tokens, 20 + 15);
}

TEST_F(BlendTest, ABlendedPromptIsKeptForItself) {
  Engine::Options options = Blending();
  options.keep_prompts = true;
  auto engine = Make(options);
  Engine::Request request = WithPassages({1, 2, 3});
  const Answer first = Ask(*engine, request);
  const Answer again = Ask(*engine, request);
  EXPECT_EQ(again.tokens, first.tokens);
  EXPECT_EQ(again.outcome.cached_tokens, 334 / 32 * 32);
  EXPECT_EQ(again.outcome.blended_tokens, 0);
  // Another third passage: what stands before it is kept.
  const Answer other = Ask(*engine, WithPassages({1, 2, 9}));
  EXPECT_EQ(other.outcome.cached_tokens, 220);
  EXPECT_EQ(other.outcome.blended_tokens, 85);
  EXPECT_EQ(other.tokens, Ask(*Make(Blending()), WithPassages({1, 2, 9})).tokens);
}

TEST_F(BlendTest, ReadingAllOfAPassageAnewIsReadingItExactly) {
  Engine::Options options = Plain();
  auto exact = Make(options);
  options.blend_passages = true;
  options.repeated_share = 0.995;  // but for the last token
  auto blends = Make(options);
  const Engine::Request request = WithPassages({1, 2, 3});
  EXPECT_EQ(Ask(*blends, request).outcome.blended_tokens, 0);
  EXPECT_EQ(Ask(*blends, request).tokens, Ask(*exact, request).tokens);
}

// The first passage of a prompt that begins with it is what it would be anyway, but for rounding.
TEST_F(BlendTest, APassageAtTheBeginningIsTakenOverAsItIs) {
  Engine::Options options = Plain();
  auto exact = Make(options, ComputeMode::kExact);
  options.blend_passages = true;
  auto blends = Make(options, ComputeMode::kExact);
  Engine::Request request = Asks(1, 100, 40);
  request.passages = {{0, 90}};
  const Answer blended = Ask(*blends, request);
  EXPECT_EQ(blended.outcome.blended_tokens, 90 - 14);
  EXPECT_EQ(blended.tokens, Ask(*exact, request).tokens);
}

TEST_F(BlendTest, ScarceMemoryChangesNoToken) {
  Engine::Options options = Blending();
  auto ample = Make(options);
  options.keep_prompts = true;
  options.kv_bytes = 30 * block_bytes_;
  auto scarce = Make(options);
  std::vector<Engine::Request> requests;
  for (std::uint32_t i = 0; i < 6; ++i) requests.push_back(WithPassages({i, i + 1, i + 2}));
  const std::vector<Answer> answers = AskAll(*scarce, requests);
  for (std::size_t i = 0; i < requests.size(); ++i)
    EXPECT_EQ(answers[i].tokens, Ask(*ample, requests[i]).tokens) << i;
}

TEST_F(BlendTest, PassagesThatDoNotFitBesideTheirPromptAreReadLikeOtherText) {
  Engine::Options options = Plain();
  auto exact = Make(options);
  options.blend_passages = options.keep_prompts = true;
  options.kv_bytes = 12 * block_bytes_;  // the prompt has 11 blocks, its passages 12 more
  auto scarce = Make(options);
  const Engine::Request request = WithPassages({1, 2, 3});
  const Answer answer = Ask(*scarce, request);
  EXPECT_EQ(answer.outcome.blended_tokens, 0);
  EXPECT_EQ(answer.tokens, Ask(*exact, request).tokens);
}

// A passage that ends the prompt, and enough written before it starts again that its end could
// seem to be another.
TEST_F(BlendTest, StreamsThatStartAgainTakeOverTheSame) {
  Engine::Options options = Blending();
  auto ample = Make(options);
  options.kv_bytes = 24 * block_bytes_;
  auto scarce = Make(options);
  std::vector<Engine::Request> requests;
  for (std::uint32_t i = 0; i < 4; ++i) {
    requests.push_back(Asks(i, 128, 250));
    requests.back().passages = {{10, 128}};
  }
  const std::vector<Answer> answers = AskAll(*scarce, requests);
  std::size_t preemptions = 0;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    EXPECT_EQ(answers[i].tokens, Ask(*ample, requests[i]).tokens) << i;
    preemptions += answers[i].outcome.preemptions;
  }
  EXPECT_GT(preemptions, 0) << "memory was not scarce, so nothing was tested";
}

TEST_F(BlendTest, ShortPassagesAreReadLikeOtherText) {
  auto engine = Make(Blending());
  Engine::Request request = Asks(1, 200, 5);
  request.passages = {{10, 60}, {60, 123}};
  EXPECT_EQ(Ask(*engine, request).outcome.blended_tokens, 0);
}

TEST_F(EngineTest, TenantsTakeTurns) {
  Engine::Options options = Plain();
  options.max_streams = 2;
  auto engine = Make(options);
  // One tenant asks ten times before another asks once.
  std::vector<std::unique_ptr<Engine::Stream>> streams;
  const CallContext call(absl::InfiniteFuture());
  for (std::uint32_t i = 0; i < 10; ++i)
    streams.push_back(*engine->Submit(Asks(i, 200, 200, "busy"), call));
  auto late = *engine->Submit(Asks(99, 20, 20, "late"), call);
  std::vector<double> queued(10);
  std::vector<std::thread> readers;
  for (std::size_t i = 0; i < streams.size(); ++i)
    readers.emplace_back([&, i] { queued[i] = Read(*streams[i]).outcome.queue_seconds; });
  const double late_queued = Read(*late).outcome.queue_seconds;
  for (std::thread& reader : readers) reader.join();
  // It is next when one of the first two has ended, and so before eight others at least.
  EXPECT_GE(std::count_if(queued.begin(), queued.end(), [&](double q) { return q > late_queued; }),
            8);
}

TEST_F(EngineTest, AStreamThatNobodyReadsPausesAndOthersGoOn) {
  Engine::Options options = Plain();
  options.max_unread = 8;
  auto engine = Make(options);
  auto unread = *engine->Submit(Asks(1, 10, 500), CallContext(absl::InfiniteFuture()));
  EXPECT_EQ(Ask(*engine, Asks(2, 10, 300)).tokens.size(), 300);
  EXPECT_EQ(Read(*unread).tokens.size(), 500);
}

}  // namespace
}  // namespace ragmesh::generation
