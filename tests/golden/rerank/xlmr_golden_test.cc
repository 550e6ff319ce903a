// XLM-R's layout against ONNX Runtime: logits of xlmr.json for the weights of xlmr.safetensors,
// which make_xlmr_vectors.py wrote.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "libs/embedding/encoder_model.h"
#include "libs/rerank/cross_encoder_head.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::rerank {
namespace {

class XlmrGoldenTest : public ::testing::TestWithParam<const linalg::Kernels*> {};

TEST_P(XlmrGoldenTest, LogitsEqualOnnxRuntimes) {
  const std::string folder =
      std::string(std::getenv("RAGMESH_SOURCE_DIR")) + "/tests/golden/rerank/";
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto file,
                               model_files::Safetensors::Open(folder + "xlmr.safetensors"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto config,
                               embedding::ReadEncoderConfig(*file, {.heads = 2}));
  EXPECT_EQ(config.positions, 62u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(
      const auto model,
      embedding::EncoderModel::Load(file, config, *GetParam(), linalg::Precision::kF32));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto head, CrossEncoderHead::Read(file, config));
  embedding::EncoderWorkspace workspace(*model);
  const auto golden = nlohmann::json::parse(testing::ReadFileOrDie(folder + "xlmr.json"));
  ASSERT_EQ(golden["cases"].size(), 6u);
  for (const auto& expected : golden["cases"]) {
    const auto ids = expected["ids"].get<embedding::TokenIds>();
    const embedding::EncoderText text{ids, {}};
    ASSERT_TRUE(model->Forward({&text, 1}, &workspace, [](std::size_t) { return true; }));
    EXPECT_NEAR(head.Logit(*GetParam(), workspace.hidden(0).data()),
                expected["logit"].get<double>(), 1e-5)
        << ids.size() << " tokens";
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, XlmrGoldenTest,
                         ::testing::ValuesIn(linalg::SupportedKernels().begin(),
                                             linalg::SupportedKernels().end()),
                         [](const auto& info) { return linalg::TableName(*info.param); });

}  // namespace
}  // namespace ragmesh::rerank
