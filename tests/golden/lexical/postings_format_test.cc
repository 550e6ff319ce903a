// Every byte of a small image, as docs/formats/postings.md explains it. A change here is a change
// of the format: it needs a new version, and images of version 1 must stay readable.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "libs/lexical/inverted_index.h"
#include "libs/lexical/postings_writer.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::lexical {
namespace {

// Slot 0: title "mesh", body "a mesh of pumps". Slot 1: body "pump". Slot 2 is empty.
std::string SmallImage() {
  InvertedIndex index;
  const ChunkTerms chunks[] = {
      {{{"mesh", {1, 0, 1}}, {"pump", {0, 0, 1}}}, {0, 102, 104}, {1, 0, 2}},
      {{{"pump", {0, 0, 1}}}, {0}, {0, 0, 1}}};
  for (std::uint32_t slot = 0; slot < 2; ++slot) {
    const auto document = index.Intern(chunks[slot]);
    index.Append(slot, document);
    index.Activate(document);
  }
  const std::vector<std::uint32_t> same = {0, 1};
  const PostingsSource source{nullptr, &index, same};
  return *WritePostings({&source, 1}, {.slots = 3});
}

TEST(PostingsFormatTest, EveryByteIsAsDocumented) {
  std::string padding(linalg::kPackedReadBytes * 2, '0');
  const std::string expected =
      // magic, version 1, zero
      "524d504f53544e47"
      "01000000"
      "00000000"
      // mesh: no codes; gaps of 0 bits, counts of 1, titles of 1; count 2, title 1
      "00"
      "000101"
      "01"
      "01"
      // pump: no codes; gaps of 0 bits, counts of 0 bits
      "00"
      "000000" +
      padding +
      // positions: mesh at 0 and 102; pump at 104 of slot 0 and 0 of slot 1
      "0065"
      "6800"
      // dictionary: offsets 0, 0; mesh in 1 chunk, 6 and 2 bytes; pump in 2, 4 and 2
      "0000"
      "0004"
      "6d657368"
      "010602"
      "0004"
      "70756d70"
      "020402"
      // its index: "mesh" as a number, offset 0
      "000000006873656d"
      "00000000"
      // lengths: all fields, title, heading
      "0300"
      "0100"
      "0000"
      "010000"
      "000000"
      // ends of postings, positions, dictionary, index, lengths
      "aa01000000000000"
      "ae01000000000000"
      "c201000000000000"
      "ce01000000000000"
      "da01000000000000"
      // terms, postings, chunks; lengths in all fields, title, heading
      "0200000000000000"
      "0300000000000000"
      "0200000000000000"
      "0400000000000000"
      "0100000000000000"
      "0000000000000000"
      // slots, positions, bytes of lengths, zero, size, magic
      "03000000"
      "01"
      "02"
      "01"
      "00"
      "4a02000000000000"
      "524d504f53544e47";
  EXPECT_EQ(absl::BytesToHexString(SmallImage()), expected);
}

TEST(PostingsFormatTest, DocumentedImageOpensAndChecksOut) {
  const std::string bytes = SmallImage();
  const auto image = PostingsImage::Open(bytes);
  RAGMESH_ASSERT_OK(image);
  RAGMESH_EXPECT_OK(image->Check());
  EXPECT_EQ(image->terms(), 2u);
  EXPECT_EQ(image->LengthsAt(0), (Lengths{3, 1, 0}));
}

}  // namespace
}  // namespace ragmesh::lexical
