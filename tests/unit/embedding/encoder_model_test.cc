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
  absl::StatusOr<std::shared_ptr<const EncoderModel>> Load(
      const std::vector<TinyTensor>& tensors,
      const linalg::Kernels& kernels = linalg::DefaultKernels(),
      linalg::Precision precision = linalg::Precision::kF32) {
    bytes_ = ToSafetensors(tensors);
    const auto file = model_files::Safetensors::Parse(bytes_, "m");
    const auto config = ReadEncoderConfig(**file, {.heads = 2});
    if (!config.ok()) return config.status();
    return EncoderModel::Load(*file, *config, kernels, precision);
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

TEST_F(EncoderModelTest, StopsBetweenLayersWhenTold) {
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights()));
  const std::vector<std::uint32_t> ids = {2, 7, 3};
  const EncoderText text{ids, {}};
  EncoderWorkspace workspace(*model);
  std::size_t asked = 0;
  EXPECT_FALSE(model->Forward({&text, 1}, nullptr, &workspace,
                              [&](std::size_t layer) { return ++asked, layer == 0; }));
  EXPECT_EQ(asked, 2u);
}

// Every text alone is what it is in company, to the last bit: in any order, in batches of any size,
// with any number of threads, in memory that was used before.
TEST_F(EncoderModelTest, ATextHasTheSameBitsInAnyCompany) {
  std::vector<std::vector<std::uint32_t>> ids;
  for (std::size_t tokens : {1, 2, 5, 12, 13, 64, 31, 48, 49, 7}) {
    ids.emplace_back();
    for (std::size_t t = 0; t < tokens; ++t)
      ids.back().push_back(static_cast<std::uint32_t>((t * t + 3 * tokens) % 40));
  }
  std::vector<std::uint8_t> types(64, 0);
  std::fill(types.begin() + 20, types.end(), 1);
  for (const linalg::Kernels* kernels : linalg::SupportedKernels()) {
    for (const auto precision :
         {linalg::Precision::kF32, linalg::Precision::kBf16, linalg::Precision::kInt8}) {
      if (!linalg::Supports(*kernels, precision)) continue;
      RAGMESH_ASSERT_OK_AND_ASSIGN(const auto model, Load(TinyWeights(), *kernels, precision));
      if (!model->rows_are_independent()) continue;  // OpenBLAS promises it of a text alone
      std::vector<EncoderText> texts;
      for (const auto& one : ids)
        texts.push_back({one, one.size() == 64 ? types : std::vector<std::uint8_t>()});
      texts[5].types = types;
      std::vector<std::vector<float>> expected;
      for (const EncoderText& text : texts) {
        EncoderWorkspace workspace(*model);
        ASSERT_TRUE(model->Forward({&text, 1}, nullptr, &workspace, Always));
        expected.emplace_back(workspace.hidden(0).begin(), workspace.hidden(0).end());
      }
      EncoderWorkspace workspace(*model);
      for (int threads = 1; threads <= 3; ++threads) {
        ComputePool pool(threads);
        for (std::size_t first = 0; first < texts.size(); ++first) {
          std::vector<EncoderText> turned(texts.begin() + static_cast<std::ptrdiff_t>(first),
                                          texts.end());
          turned.insert(turned.end(), texts.begin(),
                        texts.begin() + static_cast<std::ptrdiff_t>(first));
          turned.resize(texts.size() - first % 3 * 3);
          ASSERT_TRUE(model->Forward(turned, &pool, &workspace, Always));
          for (std::size_t i = 0; i < turned.size(); ++i) {
            const auto hidden = workspace.hidden(i);
            ASSERT_EQ(std::vector<float>(hidden.begin(), hidden.end()),
                      expected[(first + i) % texts.size()])
                << kernels->name << " " << linalg::ToString(precision) << ", " << threads
                << " threads, text " << i << " from " << first;
          }
        }
      }
    }
  }
}

TEST_F(EncoderModelTest, TablesAndPrecisionsAgree) {
  const std::vector<std::uint32_t> ids = {2, 7, 19, 33, 8, 21, 5, 39, 3};
  const EncoderText text{ids, {}};
  const auto hidden = [&](const linalg::Kernels& kernels, linalg::Precision precision) {
    const auto model = Load(TinyWeights(), kernels, precision);
    EncoderWorkspace workspace(**model);
    EXPECT_TRUE((*model)->Forward({&text, 1}, nullptr, &workspace, Always));
    return std::vector<float>(workspace.hidden(0).begin(), workspace.hidden(0).end());
  };
  const auto exact = hidden(*linalg::SupportedKernels().front(), linalg::Precision::kF32);
  for (const linalg::Kernels* kernels : linalg::SupportedKernels()) {
    for (const auto& [precision, bound] :
         {std::pair(linalg::Precision::kF32, 2e-5f), std::pair(linalg::Precision::kBf16, 0.05f),
          std::pair(linalg::Precision::kInt8, 0.1f)}) {
      if (!linalg::Supports(*kernels, precision)) continue;
      const auto values = hidden(*kernels, precision);
      for (std::size_t i = 0; i < exact.size(); ++i) {
        ASSERT_NEAR(values[i], exact[i], bound)
            << kernels->name << " " << linalg::ToString(precision) << " at " << i;
      }
    }
  }
}

}  // namespace
}  // namespace ragmesh::embedding
