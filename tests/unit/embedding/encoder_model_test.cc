#include "libs/embedding/encoder_model.h"

#include <gtest/gtest.h>

#include <limits>

#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"

namespace ragmesh::embedding {
namespace {

using ::ragmesh::testing::IsOk;
using ::ragmesh::testing::StatusIs;
using ::testing::HasSubstr;

class EncoderModelTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::shared_ptr<const EncoderModel>> Load(const std::vector<TinyTensor>& tensors) {
    bytes_ = ToSafetensors(tensors);
    const auto file = model_files::Safetensors::Parse(bytes_, "m");
    const auto config = ReadEncoderConfig(**file, {.heads = 2});
    if (!config.ok()) return config.status();
    return EncoderModel::Load(*file, *config, linalg::DefaultKernels());
  }
  std::string bytes_;
  CallContext call_{absl::InfiniteFuture()};
};

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

TEST_F(EncoderModelTest, RefusesIdsAndTypesItDoesNotKnow) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights()));
  std::vector<float> hidden;
  const auto forward = [&](std::vector<std::uint32_t> ids, std::vector<std::uint8_t> types) {
    return model->Forward(ids, types, &hidden, call_);
  };
  EXPECT_THAT(forward({}, {}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(forward(std::vector<std::uint32_t>(65, 1), {}),
              StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(forward({40}, {}), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("40")));
  EXPECT_THAT(forward({1, 2}, {0}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(forward({1, 2}, {0, 2}), StatusIs(absl::StatusCode::kInvalidArgument));
  EXPECT_THAT(forward({1, 2}, {0, 1}), IsOk());
  EXPECT_EQ(hidden.size(), 64u);
}

TEST_F(EncoderModelTest, StopsBetweenLayersOnceCancelled) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights()));
  std::vector<float> hidden;
  std::size_t last_layer = 99;
  const std::vector<std::uint32_t> ids = {2, 7, 3};
  const auto cancel_after_embeddings = [&](std::size_t layer, absl::Span<const float>) {
    last_layer = layer;
    call_.Cancel();
  };
  EXPECT_THAT(model->Forward(ids, {}, cancel_after_embeddings, &hidden, call_),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_EQ(last_layer, 0u);
}

}  // namespace
}  // namespace ragmesh::embedding
