#include "libs/vector_store/image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <vector>

namespace ragmesh::vector_store {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Optional;

class ImageTest : public ::testing::Test {
 protected:
  // Puts a document with one chunk into the image; returns the document's number, which is the
  // chunk's too.
  std::uint64_t Add(const std::string& id) {
    image_.Apply(Adding(id));
    return sequence_;
  }
  ImageChange Adding(const std::string& id) {
    DocumentRecord record;
    record.document.id = id;
    ImageChange change;
    change.document = ImageRecord(std::move(record));
    change.document_number = ++sequence_;
    change.is_new = true;
    change.sequence = sequence_;
    change.new_chunks.push_back({id + "-0", sequence_, 0, {}, &terms_});
    return change;
  }
  void Remove(const std::string& id) {
    const ImageView view = View();
    ImageChange change;
    change.removed_documents = {*view.FindDocument(id)};
    change.removed_chunks = {{*view.FindChunk(id + "-0"), terms_}};
    change.sequence = ++sequence_;
    image_.Apply(change);
  }
  ImageView View() const { return image_.View({{stages::kAllLabels}}); }
  std::vector<std::string> Documents(const ImageView& view) const {
    std::vector<std::string> ids;
    for (const std::uint32_t index : view.DocumentsAfter(nullptr, 100))
      ids.emplace_back(view.document_id(index));
    return ids;
  }

  const lexical::ChunkTerms terms_{{{"pump", {0, 0, 1}}}, {0}, {0, 0, 1}};
  std::uint64_t sequence_ = 0;
  Image image_{/*dimension=*/0};
};

TEST_F(ImageTest, AViewShowsItsMomentWhateverIsWrittenSince) {
  Add("a");
  const std::uint64_t old = Add("b");
  const ImageView before = View();
  Remove("b");
  const std::uint64_t renewed = Add("b");
  Add("c");
  EXPECT_THAT(Documents(before), ElementsAre("a", "b"));
  EXPECT_EQ(before.document_number(*before.FindDocument("b")), old);
  EXPECT_THAT(before.ChunksOf(old), ElementsAre(*before.FindChunk("b-0")));
  EXPECT_THAT(before.ChunksOf(renewed), IsEmpty());
  EXPECT_EQ(before.FindDocument("c"), std::nullopt);
  EXPECT_THAT(Documents(View()), ElementsAre("a", "b", "c"));
  EXPECT_EQ(View().document_number(*View().FindDocument("b")), renewed);
}

TEST_F(ImageTest, WhatLiesInFixedPartsIsFoundAndTakenOutLikeTheRest) {
  Add("b");
  Add("d");
  image_.Freeze({.document = sequence_ + 1, .chunk = sequence_ + 1});
  Add("a");
  Add("c");
  const ImageView before = View();
  EXPECT_THAT(Documents(before), ElementsAre("a", "b", "c", "d"));
  Remove("b");
  Remove("c");
  Add("b");
  EXPECT_THAT(Documents(before), ElementsAre("a", "b", "c", "d"));
  const ImageView after = View();
  EXPECT_THAT(Documents(after), ElementsAre("a", "b", "d"));
  EXPECT_EQ(after.live_chunks(), 3u);
  EXPECT_FALSE(after.IsFixed(*after.FindChunk("b-0")));
  EXPECT_TRUE(after.IsFixed(*after.FindChunk("d-0")));
  const stages::CollectionStats stats = image_.Stats();
  EXPECT_EQ(stats.documents, 3u);
  EXPECT_EQ(stats.chunks, 3u);
}

// Counts of documents, of which scores are made, are those of what is alive in all parts.
TEST_F(ImageTest, ScoresAreTheSameInOnePartAndInTwo) {
  const lexical::Query query = lexical::PlainQuery(lexical::Analyzer("en"), "pump");
  const auto score = [&query](const Image& image) {
    const ImageView view = image.View({{stages::kAllLabels}});
    const auto slot = view.FindChunk("c-0");
    const std::uint32_t slots[] = {*slot};
    return *image.ScoreLexical(view, query, {1.2, 0.75, {1, 1, 1}}, slots);
  };
  Add("a");
  Add("b");
  Add("c");
  Remove("a");
  const auto whole = score(image_);
  image_.Freeze({.document = sequence_ + 1, .chunk = sequence_ + 1});
  EXPECT_EQ(score(image_), whole);
  Add("d");
  const auto with_d = score(image_);
  Remove("b");
  Add("e");
  EXPECT_EQ(score(image_), with_d);
}

TEST_F(ImageTest, WhatIsPlacedAndNeverShownHidesNothing) {
  const std::uint64_t number = Add("a");
  const ImageChange failed = Adding("a");
  const ImageChange* const changes[] = {&failed};
  image_.Place(changes);
  Add("b");
  const ImageView view = View();
  ASSERT_TRUE(view.FindChunk("a-0").has_value());
  EXPECT_EQ(view.chunk(*view.FindChunk("a-0")).number, number);
  ASSERT_TRUE(view.FindDocument("a").has_value());
  EXPECT_EQ(view.document_number(*view.FindDocument("a")), number);
  EXPECT_THAT(Documents(view), ElementsAre("a", "b"));
}

TEST_F(ImageTest, ATailOfWhichMostIsDeadLosesItAndNothingElse) {
  for (int i = 0; i < 1100; ++i) {
    Add("x");
    Remove("x");
  }
  Add("kept");
  const ImageView before = View();
  image_.CompactTail();
  EXPECT_EQ(image_.tail_rows(), 1u);
  EXPECT_THAT(Documents(before), ElementsAre("kept"));
  EXPECT_THAT(Documents(View()), ElementsAre("kept"));
  EXPECT_EQ(*View().FindChunk("kept-0"), 0u);
}

}  // namespace
}  // namespace ragmesh::vector_store
