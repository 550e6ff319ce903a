#include "libs/embedding/text_encoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "libs/base/error.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/testing/manual_executor.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"
#include "tests/unit/embedding/tiny_model.h"

namespace ragmesh::embedding {
namespace {

using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::IsOkAndHolds;
using ::ragmesh::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::vector<float> Copy(std::size_t, absl::Span<const float> hidden) {
  return {hidden.begin(), hidden.end()};
}

class TextEncoderTest : public ::testing::Test {
 protected:
  void SetUp() override {
    RAGMESH_ASSERT_OK_AND_ASSIGN(encoder_, TextEncoder::Create(files_.options(), compute_));
  }

  TinyEncoderFiles files_;
  ThreadPool compute_{"compute", 2, 16};
  std::unique_ptr<TextEncoder> encoder_;
  CallContext call_{absl::InfiniteFuture()};
};

TEST_F(TextEncoderTest, FramesATextAndCutsItsEnd) {
  EXPECT_THAT(encoder_->Prepare("a b c").ids, ElementsAre(2, 5, 6, 7, 3));
  EXPECT_THAT(encoder_->Prepare("").ids, ElementsAre(2, 3));
  const EncoderInput cut = encoder_->Prepare("a b c", 4);
  EXPECT_THAT(cut.ids, ElementsAre(2, 5, 6, 3));
  EXPECT_TRUE(cut.truncated());
  EXPECT_FALSE(encoder_->Prepare("a b", 4).truncated());
}

TEST_F(TextEncoderTest, FramesAPairWithItsTypes) {
  const EncoderInput pair =
      encoder_->PreparePair(encoder_->Tokenize("a b"), encoder_->Tokenize("c"));
  EXPECT_THAT(pair.ids, ElementsAre(2, 5, 6, 3, 7, 3));
  EXPECT_THAT(pair.types, ElementsAre(0, 0, 0, 0, 1, 1));
  EXPECT_FALSE(pair.truncated());
}

// The definition: the longer side loses its last token until there is room, on a tie the side that
// began shorter.
std::pair<std::size_t, std::size_t> LongestFirst(std::size_t a, std::size_t b, std::size_t room) {
  const bool first_is_longer = a > b;
  while (a + b > room) (a > b || (a == b && !first_is_longer)) ? --a : --b;
  return {a, b};
}

TEST_F(TextEncoderTest, CutsTheLongerSideOfAPairFirst) {
  for (std::size_t a = 0; a < 9; ++a) {
    for (std::size_t b = 0; b < 9; ++b) {
      for (std::size_t room = 0; room < 12; ++room) {
        std::string first, second;
        for (std::size_t i = 0; i < a; ++i) first += "a ";
        for (std::size_t i = 0; i < b; ++i) second += "b ";
        const EncoderInput pair =
            encoder_->PreparePair(encoder_->Tokenize(first), encoder_->Tokenize(second), room + 3);
        const auto expected = LongestFirst(a, b, room);
        const auto kept_a =
            static_cast<std::size_t>(std::count(pair.ids.begin(), pair.ids.end(), 5u));
        const auto kept_b =
            static_cast<std::size_t>(std::count(pair.ids.begin(), pair.ids.end(), 6u));
        EXPECT_EQ(std::pair(kept_a, kept_b), expected) << a << " " << b << " room " << room;
        EXPECT_EQ(pair.truncated(), a + b > room);
      }
    }
  }
}

TEST_F(TextEncoderTest, ReturnsResultsInOrder) {
  std::vector<EncoderInput> inputs;
  for (const char* text : {"a", "b c", "d e f"}) inputs.push_back(encoder_->Prepare(text));
  const auto count = [](std::size_t tokens, absl::Span<const float>) {
    return std::vector<float>{static_cast<float>(tokens)};
  };
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto results,
                               encoder_->Run(inputs, Priority::kPassage, count, call_));
  EXPECT_THAT(results, ElementsAre(ElementsAre(3), ElementsAre(4), ElementsAre(5)));
}

TEST_F(TextEncoderTest, ReturnsAtOnceWhenCancelledAndDropsWhatIsQueued) {
  testing::ManualExecutor stuck;
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto encoder, TextEncoder::Create(files_.options(), stuck));
  ThreadPool caller("caller", 1, 1);
  absl::Notification done;
  absl::Status status;
  ASSERT_TRUE(caller.TrySubmit([&] {
    status = encoder->Run({encoder->Prepare("a")}, Priority::kQuery, Copy, call_).status();
    done.Notify();
  }));
  call_.Cancel();
  done.WaitForNotification();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kCancelled));
  while (stuck.RunOne()) {
  }
  EXPECT_EQ(encoder->batcher_stats().items, 0u);
}

// Results of texts on their own, for comparison.
std::vector<std::vector<float>> Alone(TextEncoder& encoder, const std::vector<std::string>& texts) {
  std::vector<std::vector<float>> results;
  for (const std::string& text : texts) {
    auto one = encoder.Run({encoder.Prepare(text)}, Priority::kQuery, Copy,
                           CallContext(absl::InfiniteFuture()));
    EXPECT_THAT(one, IsOk());
    results.push_back(std::move((*one)[0]));
  }
  return results;
}

void WaitUntilQueued(const TextEncoder& encoder, std::size_t items) {
  while (encoder.batcher_stats().queued_items != items) std::this_thread::yield();
}

// The machine's time; each time somebody asks for it, `asked_` hears of it first.
class ObservedClock final : public Clock {
 public:
  explicit ObservedClock(std::function<void()> asked) : asked_(std::move(asked)) {}
  absl::Time Now() const override {
    asked_();
    return Clock::Real().Now();
  }

 private:
  const std::function<void()> asked_;
};

// Three calls of one passage each, which become one batch on `compute_`.
class TextEncoderBatchTest : public ::testing::TestWithParam<linalg::InPrecision> {
 protected:
  void SetUp() override {
    TextEncoder::Options options = files_.options();
    options.kernel = GetParam().table->name;
    options.precision = GetParam().precision;
    RAGMESH_ASSERT_OK_AND_ASSIGN(encoder_, TextEncoder::Create(options, compute_));
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto free, TextEncoder::Create(options, threads_));
    alone_ = Alone(*free, texts_);
  }
  // Queues the calls, in order, and waits until they are.
  void Start() {
    callers_ = std::make_unique<ThreadPool>("caller", 3, 3);
    for (std::size_t i = 0; i < 3; ++i) {
      ASSERT_TRUE(callers_->TrySubmit([this, i] {
        const auto count = [this](std::size_t tokens, absl::Span<const float> hidden) {
          ++reduced_;
          return Copy(tokens, hidden);
        };
        results_[i] =
            encoder_->Run({encoder_->Prepare(texts_[i])}, Priority::kPassage, count, calls_[i]);
      }));
      WaitUntilQueued(*encoder_, i + 1);
    }
  }
  void RunAndWaitForCallers() {
    while (compute_.RunOne()) {
    }
    callers_.reset();
  }
  // What the batch calls each time it asks for the first call's time. It asks once as the batch is
  // put together and then before every layer.
  void Asked() {
    if (on_asked_) on_asked_(++times_asked_);
  }

  TinyEncoderFiles files_;
  ThreadPool threads_{"compute", 1, 16};
  testing::ManualExecutor compute_;
  const std::vector<std::string> texts_ = {"a b c d", "e f", "g h i"};
  std::vector<std::vector<float>> alone_;
  std::unique_ptr<TextEncoder> encoder_;
  std::function<void(int)> on_asked_;
  int times_asked_ = 0;
  ObservedClock clock_{[this] { Asked(); }};
  const CallContext calls_[3] = {CallContext(absl::InfiniteFuture(), "", clock_),
                                 CallContext(absl::InfiniteFuture()),
                                 CallContext(absl::InfiniteFuture())};
  absl::StatusOr<std::vector<std::vector<float>>> results_[3];
  int reduced_ = 0;
  std::unique_ptr<ThreadPool> callers_;
};

TEST_P(TextEncoderBatchTest, ACallThatIsCancelledInTheQueueDoesNotDisturbTheOthers) {
  Start();
  calls_[1].Cancel();
  RunAndWaitForCallers();
  EXPECT_THAT(results_[0], IsOkAndHolds(ElementsAre(alone_[0])));
  EXPECT_THAT(results_[1], StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(results_[2], IsOkAndHolds(ElementsAre(alone_[2])));
  EXPECT_EQ(encoder_->batcher_stats().batches, 1u);
  EXPECT_EQ(encoder_->batcher_stats().dropped, 1u);
}

TEST_P(TextEncoderBatchTest, ACallThatIsCancelledInTheMiddleDoesNotDisturbTheOthers) {
  Start();
  on_asked_ = [this](int time) {
    if (time == 3) calls_[1].Cancel();
  };
  RunAndWaitForCallers();
  EXPECT_GE(times_asked_, 3);
  EXPECT_THAT(results_[0], IsOkAndHolds(ElementsAre(alone_[0])));
  EXPECT_THAT(results_[1], StatusIs(absl::StatusCode::kCancelled));
  EXPECT_THAT(results_[2], IsOkAndHolds(ElementsAre(alone_[2])));
  EXPECT_EQ(encoder_->batcher_stats().batches, 1u);
  EXPECT_EQ(encoder_->batcher_stats().items, 3u);
}

TEST_P(TextEncoderBatchTest, ABatchThatNobodyWantsAnyMoreIsNotFinished) {
  Start();
  on_asked_ = [this](int time) {
    if (time != 3) return;
    for (const CallContext& call : calls_) call.Cancel();
  };
  RunAndWaitForCallers();
  for (const auto& result : results_) EXPECT_THAT(result, StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(reduced_, 0);
}

INSTANTIATE_TEST_SUITE_P(EveryTable, TextEncoderBatchTest,
                         ::testing::ValuesIn(PrecisionsOfEveryTable()),
                         [](const auto& info) { return linalg::Name(info.param); });

// Queries come before passages until passages have waited for long enough; then a batch of
// passages begins while queries wait, and lets them through before its next layer. So it does with
// one that comes when it is half done.
TEST_F(TextEncoderTest, AQueryThatComesDuringABatchOfPassagesEndsBeforeIt) {
  constexpr int kQueries = Batcher::kQueryBatchesInARow + 1;
  for (const linalg::Kernels* kernels : linalg::SupportedKernels()) {
    testing::ManualExecutor compute;
    TextEncoder::Options options = files_.options();
    options.kernel = kernels->name;
    options.batcher.max_batch_tokens = 1;  // every text is a batch
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto encoder, TextEncoder::Create(options, compute));
    std::vector<std::string> ended;  // in this order, all on this thread
    ThreadPool callers("caller", 3, 3);
    const auto run = [&](Priority priority, int texts, Reduce reduce) {
      ASSERT_TRUE(callers.TrySubmit([&encoder, priority, texts, reduce] {
        const std::vector<EncoderInput> inputs(static_cast<std::size_t>(texts),
                                               encoder->Prepare("a b c"));
        EXPECT_THAT(encoder->Run(inputs, priority, reduce, CallContext(absl::InfiniteFuture())),
                    IsOk());
      }));
    };
    const auto note = [&ended](std::string what) {
      return [&ended, what](std::size_t, absl::Span<const float>) {
        ended.push_back(what);
        return std::vector<float>();
      };
    };
    run(Priority::kQuery, kQueries, [&](std::size_t, absl::Span<const float>) {
      ended.push_back("query");
      if (ended.size() == kQueries) {
        run(Priority::kQuery, 1, note("late query"));
        WaitUntilQueued(*encoder, 1);
      }
      return std::vector<float>();
    });
    WaitUntilQueued(*encoder, kQueries);
    run(Priority::kPassage, 1, note("passage"));
    WaitUntilQueued(*encoder, kQueries + 1);
    while (compute.RunOne()) {
    }
    std::vector<std::string> expected(kQueries, "query");
    expected.insert(expected.end(), {"late query", "passage"});
    EXPECT_EQ(ended, expected) << kernels->name;
  }
}

TEST_F(TextEncoderTest, ATextHasTheSameBitsOnOneThreadAndDividedAmongThree) {
  const std::vector<std::string> texts = {"", "a b c d e f g h", "z"};
  ThreadPool three("compute", 3, 16);
  for (const linalg::InPrecision& in : PrecisionsOfEveryTable()) {
    TextEncoder::Options options = files_.options();
    options.kernel = in.table->name;
    options.precision = in.precision;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto one, TextEncoder::Create(options, compute_));
    options.batcher.max_parallel = 3;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto divided, TextEncoder::Create(options, three));
    EXPECT_EQ(Alone(*divided, texts), Alone(*one, texts)) << linalg::Name(in);
  }
}

TEST_F(TextEncoderTest, RefusesATokenizerOfAnotherModel) {
  auto tensors = TinyWeights();
  tensors[0] = MakeTinyTensor(tensors[0].name, {39, 32});
  const TinyEncoderFiles files(ToSafetensors(tensors));
  EXPECT_THAT(TextEncoder::Create(files.options(), compute_),
              StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("has id 39")));
}

TEST_F(TextEncoderTest, TakesAPrecisionByItself) {
  TextEncoder::Options options = files_.options();
  options.precision.reset();
  for (const linalg::Kernels* kernels : linalg::SupportedKernels()) {
    options.kernel = kernels->name;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto encoder, TextEncoder::Create(options, compute_));
    EXPECT_TRUE(linalg::Supports(*kernels, encoder->model().precision())) << kernels->name;
  }
  // Without float kernels nothing is gained by fewer bits.
  options.kernel = "scalar";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto scalar, TextEncoder::Create(options, compute_));
  EXPECT_EQ(scalar->model().precision(), linalg::Precision::kF32);
}

// Queries and keys so large that softmax takes one token and drops the rest: what rounding adds
// then decides which.
TEST_F(TextEncoderTest, KeepsMoreBitsWhereEightMoveTheVectors) {
  auto tensors = TinyWeights();
  for (TinyTensor& tensor : tensors) {
    if (!absl::StrContains(tensor.name, "query.weight") &&
        !absl::StrContains(tensor.name, "key.weight"))
      continue;
    for (float& value : tensor.values) value *= 64;
  }
  const TinyEncoderFiles files(ToSafetensors(tensors));
  TextEncoder::Options options = files.options();
  options.precision.reset();
  for (const linalg::Kernels* kernels : linalg::SupportedKernels()) {
    options.kernel = kernels->name;
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto encoder, TextEncoder::Create(options, compute_));
    const bool bf16 = kernels->bf16_attention.attend != nullptr;
    EXPECT_EQ(encoder->model().precision(),
              bf16 ? linalg::Precision::kBf16 : linalg::Precision::kF32)
        << kernels->name;
  }
}

TEST_F(TextEncoderTest, RefusesAPrecisionItsKernelsLack) {
  TextEncoder::Options options = files_.options();
  options.precision = linalg::Precision::kBf16;
  for (const linalg::Kernels* kernels : linalg::SupportedKernels()) {
    options.kernel = kernels->name;
    const auto encoder = TextEncoder::Create(options, compute_);
    if (linalg::Supports(*kernels, linalg::Precision::kBf16)) {
      EXPECT_EQ((*encoder)->model().precision(), linalg::Precision::kBf16);
    } else {
      EXPECT_THAT(encoder, StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("bf16")));
      EXPECT_EQ(GetErrorDetail(encoder.status())->field, "precision");
    }
  }
}

TEST_F(TextEncoderTest, TellsHowLongATextWasBeforeItWasCut) {
  const EncoderInput cut = encoder_->Prepare("a b c d", 4);
  EXPECT_EQ(cut.ids.size(), 4u);
  EXPECT_EQ(cut.full_size, 6u);
  const EncoderInput pair =
      encoder_->PreparePair(encoder_->Tokenize("a b c"), encoder_->Tokenize("d e"), 6);
  EXPECT_EQ(pair.ids.size(), 6u);
  EXPECT_EQ(pair.full_size, 8u);
}

}  // namespace
}  // namespace ragmesh::embedding
