#include <gtest/gtest.h>

#include "bench/datasets/ir_dataset.h"
#include "bench/datasets/qa_dataset.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::bench {
namespace {

using ragmesh::testing::HasReason;
using ragmesh::testing::TestData;

TEST(DatasetsTest, SciFactIsWhole) {
  const auto folder = TestData("ir/scifact");
  RAGMESH_SKIP_WITHOUT(folder, "test data");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const IrDataset test, LoadBeir(*folder, "test"));
  EXPECT_EQ(test.documents.size(), 5183u);
  EXPECT_EQ(test.queries.size(), 300u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const IrDataset train, LoadBeir(*folder, "train"));
  EXPECT_EQ(train.queries.size(), 809u);
}

TEST(DatasetsTest, CranfieldIsWhole) {
  const auto folder = TestData("ir/cranfield");
  RAGMESH_SKIP_WITHOUT(folder, "test data");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const IrDataset dataset, LoadCranfield(*folder));
  EXPECT_EQ(dataset.documents.size(), 1400u);
  EXPECT_EQ(dataset.queries.size(), 225u);
}

TEST(DatasetsTest, QuestionSetsAreWhole) {
  const auto folder = TestData("qa");
  RAGMESH_SKIP_WITHOUT(folder, "test data");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const QaDataset wikipedia,
                               LoadMiniWikipedia((*folder / "rag-mini-wikipedia").string()));
  EXPECT_EQ(wikipedia.passages.size(), 3200u);
  EXPECT_EQ(wikipedia.questions.size(), 1695u);  // 1,714 rows, 19 of them without a question
  RAGMESH_ASSERT_OK_AND_ASSIGN(const QaDataset xquad,
                               LoadXquad((*folder / "xquad" / "xquad.en.json").string()));
  EXPECT_EQ(xquad.passages.size(), 240u);
  EXPECT_EQ(xquad.questions.size(), 1190u);
}

TEST(DatasetsTest, AMissingFolderIsATypedError) {
  EXPECT_THAT(LoadBeir("/nonexistent", "test"), HasReason("DATA_FILE_NOT_FOUND"));
}

}  // namespace
}  // namespace ragmesh::bench
