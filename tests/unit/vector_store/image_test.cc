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
  // Puts a document with one chunk into the image and returns its index; the chunk's slot is equal.
  std::uint32_t Add(const std::string& id) {
    ImageChange change;
    change.document.emplace();
    change.document->document.id = id;
    change.document_number = ++sequence_;
    change.sequence = sequence_;
    change.new_chunks.push_back({id + "-0", sequence_, 0, {}, &terms_});
    return *image_.Apply(change);
  }

  const lexical::ChunkTerms terms_{{{"pump", {0, 0, 1}}}, {0}, {0, 0, 1}};
  std::uint64_t sequence_ = 0;
  Image image_{/*dimension=*/0};
};

// A reader with a view from before a removal must not take "removed" for "has no chunks": it would
// list a document that has always had chunks as empty.
TEST_F(ImageTest, TellsARemovedDocumentFromOneWithoutChunks) {
  const std::uint32_t removed = Add("a"), emptied = Add("b"), kept = Add("c");

  ImageChange change;
  change.removed_documents = {removed};
  change.removed_chunks = {{removed, terms_}, {emptied, terms_}};
  change.sequence = ++sequence_;
  image_.Apply(change);

  EXPECT_EQ(image_.ChunksOf(removed), std::nullopt);
  EXPECT_THAT(image_.ChunksOf(emptied), Optional(IsEmpty()));
  EXPECT_THAT(image_.ChunksOf(kept), Optional(ElementsAre(kept)));
}

}  // namespace
}  // namespace ragmesh::vector_store
