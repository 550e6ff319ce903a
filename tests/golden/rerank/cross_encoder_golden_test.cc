// The cross-encoder against transformers on made-up weights: ids, types and logits of
// cross_encoder.json, which make_cross_encoder_vectors.py wrote.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "libs/concurrency/thread_pool.h"
#include "libs/rerank/cross_encoder_reranker.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/embedding/tiny_encoder.h"
#include "tests/unit/linalg/tables.h"

namespace ragmesh::rerank {
namespace {

class CrossEncoderGoldenTest : public ::testing::TestWithParam<const linalg::Kernels*> {};

TEST_P(CrossEncoderGoldenTest, PairsAndLogitsEqualTransformers) {
  const embedding::TinyEncoderFiles files(
      embedding::ToSafetensors(embedding::TinyWeights("bert.", /*head=*/true)));
  ThreadPool compute("compute", 2, 16);
  CrossEncoderReranker::Options options;
  options.encoder = files.options();
  options.encoder.kernel = GetParam()->name;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto reranker, CrossEncoderReranker::Create(options, compute));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto encoder,
                               embedding::TextEncoder::Create(options.encoder, compute));
  const CallContext call(absl::InfiniteFuture());
  const std::string source = std::getenv("RAGMESH_SOURCE_DIR");
  const auto golden = nlohmann::json::parse(
      testing::ReadFileOrDie(source + "/tests/golden/rerank/cross_encoder.json"));
  ASSERT_EQ(golden["cases"].size(), 10u);
  for (const auto& expected : golden["cases"]) {
    const auto query = expected["query"].get<std::string>(),
               passage = expected["passage"].get<std::string>();
    const embedding::EncoderInput pair =
        encoder->PreparePair(encoder->Tokenize(query), encoder->Tokenize(passage));
    EXPECT_EQ(pair.ids, expected["ids"].get<std::vector<std::uint32_t>>())
        << query << " / " << passage;
    EXPECT_EQ(pair.types, expected["types"].get<std::vector<std::uint8_t>>())
        << query << " / " << passage;
    RAGMESH_ASSERT_OK_AND_ASSIGN(
        const auto ranked,
        reranker->Rerank({.query = query, .candidates = {{.text = passage}}}, call));
    EXPECT_NEAR(ranked[0].model_score, expected["logit"].get<double>(), 5e-6)
        << query << " / " << passage;
    EXPECT_EQ(ranked[0].score, ranked[0].model_score);
  }
}

INSTANTIATE_TEST_SUITE_P(EveryTable, CrossEncoderGoldenTest,
                         ::testing::ValuesIn(linalg::SupportedKernels().begin(),
                                             linalg::SupportedKernels().end()),
                         [](const auto& info) { return linalg::TableName(*info.param); });

}  // namespace
}  // namespace ragmesh::rerank
