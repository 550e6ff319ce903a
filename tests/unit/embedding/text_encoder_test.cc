#include "libs/embedding/text_encoder.h"

#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "libs/base/error.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/testing/manual_executor.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"

namespace ragmesh::embedding {
namespace {

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
  const EncoderInput pair = encoder_->PreparePair("a b", "c");
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
        const EncoderInput pair = encoder_->PreparePair(first, second, room + 3);
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
  const EncoderInput pair = encoder_->PreparePair("a b c", "d e", 6);
  EXPECT_EQ(pair.ids.size(), 6u);
  EXPECT_EQ(pair.full_size, 8u);
}

}  // namespace
}  // namespace ragmesh::embedding
