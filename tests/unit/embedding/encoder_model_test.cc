#include "libs/embedding/encoder_model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"
#include "tests/unit/embedding/tiny_model.h"

namespace ragmesh::embedding {
namespace {

using linalg::Precision;
using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::Each;
using ::testing::HasSubstr;

class EncoderModelTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<const EncoderModel>> Load(const std::vector<TinyTensor>& tensors) {
    bytes_ = ToSafetensors(tensors);
    const auto file = model_files::Safetensors::Parse(bytes_, "m");
    const auto config = ReadEncoderConfig(**file, {.heads = 2});
    if (!config.ok()) return config.status();
    return EncoderModel::Load(*file, *config, linalg::DefaultKernels(), Precision::kF32);
  }
  std::string bytes_;
};

bool Always(std::size_t) { return true; }

TEST_F(EncoderModelTest, RefusesEveryTensorThatIsMissingOrMisshapenOrNotFinite) {
  const auto good = TinyWeights();
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto nan = good;
    nan[i].values.back() = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THAT(Load(nan), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(good[i].name)))
        << good[i].name;
    auto cut = good;
    cut[i].shape.push_back(1);
    EXPECT_THAT(Load(cut), StatusIs(absl::StatusCode::kDataLoss)) << good[i].name;
    // Without its first tensor the last layer is no layer; every other tensor is missed.
    auto missing = good;
    missing.erase(missing.begin() + static_cast<std::ptrdiff_t>(i));
    if (good[i].name == "encoder.layer.1.intermediate.dense.weight") continue;
    EXPECT_THAT(Load(missing), StatusIs(absl::StatusCode::kDataLoss, HasSubstr(good[i].name)))
        << good[i].name;
  }
}

TEST_F(EncoderModelTest, RefusesATensorItWouldLeaveOut) {
  auto tensors = TinyWeights();
  tensors.push_back(MakeTinyTensor("encoder.layer.0.attention.rotary.weight", {4, 4}));
  EXPECT_THAT(Load(tensors),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("attention.rotary.weight")));
  tensors.back() = MakeTinyTensor("pooler.dense.weight", {32, 32});
  EXPECT_THAT(Load(tensors), IsOk());
}

TEST_F(EncoderModelTest, RefusesIdsAndTypesItDoesNotKnow) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights()));
  const auto check = [&](std::vector<std::uint32_t> ids, std::vector<std::uint8_t> types) {
    return model->Check({ids, types});
  };
  EXPECT_THAT(check({}, {}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(check(std::vector<std::uint32_t>(65, 1), {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(check({40}, {}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("40")));
  EXPECT_THAT(check({1, 2}, {0}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(check({1, 2}, {0, 2}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(check({1, 2}, {0, 1}), IsOk());
}

TEST_F(EncoderModelTest, StopsBeforeTheLayerAtWhichItIsTold) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights()));
  const std::vector<std::uint32_t> ids = {2, 7, 3};
  const EncoderText text{ids, {}};
  for (std::size_t end = 0; end <= 2; ++end) {
    EncoderWorkspace workspace(*model);
    std::size_t deepest = 0;  // layer that a product was fed for
    workspace.set_observer([&](std::size_t layer, LayerProduct, absl::Span<const float>) {
      deepest = std::max(deepest, layer);
    });
    std::vector<std::size_t> asked;
    EXPECT_FALSE(model->Forward({&text, 1}, &workspace, [&](std::size_t layer) {
      asked.push_back(layer);
      return layer < end;
    }));
    EXPECT_EQ(asked.size(), end + 1);
    EXPECT_EQ(asked.back(), end);
    EXPECT_EQ(deepest, std::min<std::size_t>(end, 1));
  }
}

TEST_F(EncoderModelTest, AnObserverSeesEveryRowOfEveryProduct) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights()));
  const std::vector<std::uint32_t> ids = {2, 7, 3};
  const EncoderText text{ids, {}};
  EncoderWorkspace workspace(*model);
  std::vector<std::size_t> rows(2 * kLayerProducts, 0);
  workspace.set_observer(
      [&](std::size_t layer, LayerProduct product, absl::Span<const float> values) {
        EXPECT_EQ(values.size(), product == LayerProduct::kOutput ? 64u : 32u);
        ++rows[layer * kLayerProducts + static_cast<std::size_t>(product)];
      });
  ASSERT_TRUE(model->Forward({&text, 1}, &workspace, Always));
  EXPECT_THAT(rows, Each(ids.size()));
}

TEST_F(EncoderModelTest, TypesCountAndNoTypesAreAllZero) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights()));
  const std::vector<std::uint32_t> ids = {2, 7, 3};
  const std::vector<std::uint8_t> zeros = {0, 0, 0}, pair = {0, 0, 1};
  const EncoderText texts[] = {{ids, {}}, {ids, zeros}, {ids, pair}};
  EncoderWorkspace workspace(*model);
  ASSERT_TRUE(model->Forward(texts, &workspace, Always));
  EXPECT_EQ(workspace.hidden(1), workspace.hidden(0));
  EXPECT_NE(workspace.hidden(2), workspace.hidden(0));
}

TEST_F(EncoderModelTest, NoTextsAreNoWork) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights()));
  EncoderWorkspace workspace(*model);
  EXPECT_TRUE(model->Forward({}, &workspace, Always));
}

std::vector<float> HiddenOf(const EncoderWorkspace& workspace, std::size_t index) {
  return {workspace.hidden(index).begin(), workspace.hidden(index).end()};
}

class EncoderModelOfEveryTableTest : public ::testing::TestWithParam<linalg::InPrecision> {
 protected:
  void SetUp() override {
    for (const EncoderText& text : texts_.From(0, texts_.size())) {
      EncoderWorkspace workspace(*model_);
      ASSERT_TRUE(model_->Forward({&text, 1}, &workspace, Always));
      alone_.push_back(HiddenOf(workspace, 0));
    }
  }
  // Runs `count` texts from `first`: in one batch, where the model promises that this is the same,
  // else one after the other. Every text must come out as it did alone.
  void ExpectAsAlone(std::size_t first, std::size_t count, ComputePool* pool,
                     EncoderWorkspace* workspace) {
    const std::size_t together = model_->rows_are_independent() ? count : 1;
    for (std::size_t done = 0; done < count; done += together) {
      const auto batch = texts_.From(first + done, together);
      ASSERT_TRUE(model_->Forward(batch, workspace, Always,
                                  [&](std::size_t items, auto work) { pool->Run(items, work); }));
      for (std::size_t i = 0; i < together; ++i) {
        const std::size_t text = (first + done + i) % texts_.size();
        ASSERT_EQ(HiddenOf(*workspace, i), alone_[text])
            << "text " << text << " in a batch of " << count << " from " << first;
      }
    }
  }

  const TinyTexts texts_;
  const TinyModels models_;
  const std::shared_ptr<const EncoderModel> model_ = models_.Load(GetParam());
  std::vector<std::vector<float>> alone_;  // the hidden states of each text, in memory of its own
};

TEST_P(EncoderModelOfEveryTableTest, ATextHasTheSameBitsInAnyCompanyAndOnAnyThreads) {
  for (int threads = 1; threads <= 3; ++threads) {
    SCOPED_TRACE(threads);
    ComputePool pool(threads);
    for (std::size_t first = 0; first < texts_.size(); ++first) {
      EncoderWorkspace workspace(*model_, threads);
      ExpectAsAlone(first, texts_.size(), &pool, &workspace);
    }
  }
}

TEST_P(EncoderModelOfEveryTableTest, ATextHasTheSameBitsInMemoryThatWasUsedBefore) {
  EncoderWorkspace workspace(*model_, 2);
  ComputePool pool(2);
  for (const std::size_t count : {1, 2, 9, 10, 8, 3, 1, 6, 10, 1}) {
    for (const std::size_t first : {5, 0, 7}) ExpectAsAlone(first, count, &pool, &workspace);
  }
}

TEST_P(EncoderModelOfEveryTableTest, APassThatWasStoppedLeavesNothingBehind) {
  ComputePool pool(1);
  EncoderWorkspace workspace(*model_);
  const auto batch = texts_.From(0, model_->rows_are_independent() ? texts_.size() : 1);
  for (std::size_t end = 0; end <= 2; ++end) {
    ASSERT_FALSE(
        model_->Forward(batch, &workspace, [end](std::size_t layer) { return layer != end; }));
    ExpectAsAlone(3, 4, &pool, &workspace);
  }
}

// The values come from a layer norm, so they are about 1. The bounds are about twice the largest
// difference in any table.
TEST_P(EncoderModelOfEveryTableTest, IsCloseToF32OfTheScalarTable) {
  const auto truth = models_.Load({linalg::SupportedKernels().front(), Precision::kF32});
  const Precision precision = GetParam().precision;
  const float bound = precision == Precision::kF32    ? 4e-6f
                      : precision == Precision::kBf16 ? 0.04f
                                                      : 0.08f;
  EncoderWorkspace workspace(*truth);
  float worst = 0;
  for (std::size_t t = 0; t < texts_.size(); ++t) {
    ASSERT_TRUE(truth->Forward(texts_.From(t, 1), &workspace, Always));
    const auto expected = HiddenOf(workspace, 0);
    for (std::size_t i = 0; i < expected.size(); ++i)
      worst = std::max(worst, std::fabs(alone_[t][i] - expected[i]));
  }
  EXPECT_LE(worst, bound);
}

INSTANTIATE_TEST_SUITE_P(EveryTable, EncoderModelOfEveryTableTest,
                         ::testing::ValuesIn(PrecisionsOfEveryTable()),
                         [](const auto& info) { return linalg::Name(info.param); });

}  // namespace
}  // namespace ragmesh::embedding
