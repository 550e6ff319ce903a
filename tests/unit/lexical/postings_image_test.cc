#include "libs/lexical/postings_image.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <random>

#include "libs/lexical/index_search.h"
#include "libs/lexical/postings_format.h"
#include "libs/lexical/postings_writer.h"
#include "libs/testing/status_matchers.h"
#include "tests/unit/lexical/random_index.h"

namespace ragmesh::lexical {
namespace {

using ::ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::SizeIs;

std::vector<std::uint32_t> Same(std::uint32_t slots) {
  std::vector<std::uint32_t> same(slots);
  std::iota(same.begin(), same.end(), 0u);
  return same;
}

absl::StatusOr<std::string> Write(const InvertedIndex& index, bool positions = true) {
  const auto same = Same(index.slot_count());
  const PostingsSource source{nullptr, &index, same};
  return WritePostings({&source, 1}, {index.slot_count(), positions});
}

std::string RandomImage(std::uint32_t chunks) {
  RandomChunks random(1);
  InvertedIndex index;
  for (std::uint32_t slot = 0; slot < chunks; ++slot) AddChunk(&index, slot, random.Chunk());
  return *Write(index);
}

absl::StatusOr<FoundSlots> Search(const IndexPart& part, const Query& query) {
  const std::vector<std::uint64_t> all(part.slot_count() / 64 + 1, ~std::uint64_t{0});
  const SearchPart whole{&part, 0, all, nullptr};
  return SearchIndex({&whole, 1}, query, {}, 10,
                     [](std::uint32_t a, std::uint32_t b) { return a < b; });
}

TEST(PostingsImageTest, EmptyImageFindsNothing) {
  const std::string bytes = *WritePostings({}, {.slots = 0});
  const auto image = PostingsImage::Open(bytes);
  RAGMESH_ASSERT_OK(image);
  RAGMESH_EXPECT_OK(image->Check());
  const auto found = Search(*image, {{{Clause::Role::kOptional, {{"mesh", 0}}, ""}}});
  RAGMESH_ASSERT_OK(found);
  EXPECT_TRUE(found->best.empty());
}

TEST(PostingsImageTest, FiguresAreThoseOfTheContent) {
  const std::string bytes = RandomImage(500);
  const auto image = PostingsImage::Open(bytes);
  RAGMESH_ASSERT_OK(image);
  EXPECT_EQ(image->slot_count(), 500u);
  EXPECT_EQ(image->size_bytes(), bytes.size());
  const PostingsSizes& sizes = image->sizes();
  EXPECT_EQ(sizes.postings + sizes.positions + sizes.dictionary + sizes.lengths + kHeaderBytes +
                kTrailerBytes,
            bytes.size());
  EXPECT_EQ(image->statistics().documents, 500u);
}

TEST(PostingsImageTest, EveryTruncationIsRefused) {
  const std::string bytes = RandomImage(5);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THAT(PostingsImage::Open(bytes.substr(0, size)), HasReason("CORRUPT_DATA")) << size;
}

TEST(PostingsImageTest, LaterVersionIsRefused) {
  std::string bytes = RandomImage(5);
  bytes[kPostingsMagic.size()] = 2;
  EXPECT_THAT(PostingsImage::Open(bytes), HasReason("NEWER_FORMAT"));
}

TEST(PostingsImageTest, ChangedBytesNeverCrashAndFoundSlotsAreInTheImage) {
  const std::string good = RandomImage(300);
  std::mt19937 random(9);
  const Query query{{{Clause::Role::kOptional, {{"t1", 0}, {"t2", 0}, {"t40", 0}}, ""},
                     {Clause::Role::kRequired, {{"t1", 0}, {"t2", 1}}, ""}}};
  for (int round = 0; round < 3000; ++round) {
    std::string bytes = good;
    for (int change = 0; change < 1 + round % 3; ++change)
      bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto image = PostingsImage::Open(bytes);
    if (!image.ok()) continue;
    (void)image->Check();
    const auto found = Search(*image, query);
    if (!found.ok()) continue;
    for (const ScoredSlot& hit : found->best) ASSERT_LT(hit.slot, image->slot_count());
  }
}

TEST(PostingsImageTest, CheckFindsABoundBelowAPosting) {
  // Codes of a frequent term lie behind its levels; the levels' bounds are the writer's promise.
  std::string bytes = RandomImage(400);
  const auto entry = PostingsImage::Open(bytes)->Find("t1");
  ASSERT_TRUE(entry.has_value());
  char* const record = bytes.data() + kHeaderBytes + entry->postings_offset;
  ASSERT_EQ(record[0], 1);
  ByteReader reader({record + 1, 10});
  const std::uint64_t levels = reader.Varint();
  const std::size_t codes = 11 - reader.left() + levels;
  for (std::size_t i = 0; i < 7; ++i) record[codes + i] = 1;  // the lowest level
  EXPECT_THAT(PostingsImage::Open(bytes)->Check(), HasReason("CORRUPT_DATA"));
}

TEST(PostingsImageTest, PhraseInAnImageWithoutPositionsIsRefused) {
  RandomChunks random(1);
  InvertedIndex index;
  for (std::uint32_t slot = 0; slot < 20; ++slot) AddChunk(&index, slot, random.Chunk());
  const std::string bytes = *Write(index, /*positions=*/false);
  const auto image = PostingsImage::Open(bytes);
  RAGMESH_ASSERT_OK(image->Check());
  EXPECT_EQ(image->sizes().positions, 0u);
  EXPECT_THAT(Search(*image, {{{Clause::Role::kRequired, {{"t1", 0}, {"t2", 1}}, ""}}}),
              HasReason("NO_POSITIONS"));
  RAGMESH_EXPECT_OK(Search(*image, {{{Clause::Role::kRequired, {{"t1", 0}}, ""}}}));
}

TEST(PostingsWriterTest, MappingThatIsNoneIsRefused) {
  RandomChunks random(1);
  InvertedIndex index;
  for (std::uint32_t slot = 0; slot < 3; ++slot) AddChunk(&index, slot, random.Chunk());
  for (const auto& slots : {std::vector<std::uint32_t>{0, 1, 1}, {0, 1, 3}}) {
    const PostingsSource source{nullptr, &index, slots};
    EXPECT_THAT(WritePostings({&source, 1}, {.slots = 3}), HasReason("INVALID_FIELD"));
  }
  EXPECT_THAT(WritePostings({}, {.slots = kMaxSlots + 1}), HasReason("LIMIT_EXCEEDED"));
}

TEST(PostingsWriterTest, PositionsThatASourceDoesNotHaveAreRefused) {
  InvertedIndex index;
  ChunkTerms chunk{{{"mesh", {0, 0, 1}}}, {}, {0, 0, 1}};
  AddChunk(&index, 0, chunk);
  EXPECT_THAT(Write(index), HasReason("INVALID_FIELD"));
  RAGMESH_EXPECT_OK(Write(index, /*positions=*/false));
}

TEST(PostingsWriterTest, ErrorOfTheSinkEndsTheWriting) {
  RandomChunks random(1);
  InvertedIndex index;
  AddChunk(&index, 0, random.Chunk());
  const auto same = Same(1);
  const PostingsSource source{nullptr, &index, same};
  EXPECT_EQ(WritePostings({&source, 1}, {.slots = 1},
                          [](absl::string_view) { return absl::UnavailableError("full"); })
                .code(),
            absl::StatusCode::kUnavailable);
}

TEST(PostingsWriterTest, LongChunksAndManyOccurrencesSurvive) {
  InvertedIndex index;
  ChunkTerms chunk;
  chunk.terms = {{"mesh", {300, 300, 70'000}}};
  for (std::uint32_t i = 0; i < 70'600; ++i) chunk.positions.push_back(i * 3);
  chunk.lengths = {70'000, 300, 100'000};
  AddChunk(&index, 0, chunk);
  const std::string bytes = *Write(index);
  const auto image = PostingsImage::Open(bytes);
  RAGMESH_ASSERT_OK(image);
  RAGMESH_ASSERT_OK(image->Check());
  EXPECT_EQ(image->LengthsAt(0), (Lengths{170'300, 65'535, 300}));
  const auto list = image->List(*image->Find("mesh"));
  PostingBlock block;
  ASSERT_TRUE(list->Unpack(0, image->kernels(), &block));
  EXPECT_EQ(block.At(0), (Occurrences{65'535, 255, 255}));
}

// One chunk a slot, each word of it in its body.
InvertedIndex Texts(const std::vector<std::string>& texts) {
  const Analyzer analyzer("en");
  InvertedIndex index;
  for (std::uint32_t slot = 0; slot < texts.size(); ++slot)
    AddChunk(&index, slot, analyzer.Analyze("", "", texts[slot]));
  return index;
}

std::vector<std::uint32_t> SlotsOf(const IndexPart& part, absl::string_view text) {
  const Analyzer analyzer("en");
  const auto found = Search(part, *ParseQuery(analyzer, text));
  std::vector<std::uint32_t> slots;
  for (const ScoredSlot& hit : found->best) slots.push_back(hit.slot);
  std::sort(slots.begin(), slots.end());
  return slots;
}

TEST(QueryFormsTest, ImageAndIndexAnswerEveryFormAlike) {
  const InvertedIndex index =
      Texts({"the gear box of the pump", "a box with a gear", "pump house", "gearing of a mesh"});
  const std::string bytes = *Write(index);
  const auto image = PostingsImage::Open(bytes);
  RAGMESH_ASSERT_OK(image);
  for (const IndexPart* part :
       {static_cast<const IndexPart*>(&index), static_cast<const IndexPart*>(&*image)}) {
    EXPECT_THAT(SlotsOf(*part, "gear pump"), ElementsAre(0u, 1u, 2u, 3u));
    EXPECT_THAT(SlotsOf(*part, "\"gear box\""), ElementsAre(0u));
    EXPECT_THAT(SlotsOf(*part, "\"box of the pump\""), ElementsAre(0u));
    EXPECT_THAT(SlotsOf(*part, "\"box pump\""), SizeIs(0));
    EXPECT_THAT(SlotsOf(*part, "gear +box"), ElementsAre(0u, 1u));
    EXPECT_THAT(SlotsOf(*part, "box -pump"), ElementsAre(1u));
    EXPECT_THAT(SlotsOf(*part, "box -\"gear box\""), ElementsAre(1u));
    EXPECT_THAT(SlotsOf(*part, "hou*"), ElementsAre(2u));
    EXPECT_THAT(SlotsOf(*part, "gear -hou* -me*"), ElementsAre(0u, 1u));
    EXPECT_THAT(SlotsOf(*part, "+absent gear"), SizeIs(0));
  }
}

TEST(QueryFormsTest, PrefixOfMoreTermsThanAreTakenSaysSo) {
  InvertedIndex index;
  for (std::uint32_t slot = 0; slot < kMaxPrefixTerms + 1; ++slot) {
    ChunkTerms chunk{{{absl::StrCat("pre", slot), {0, 0, 1}}}, {0}, {0, 0, 1}};
    AddChunk(&index, slot, chunk);
  }
  EXPECT_TRUE(Search(index, {{{Clause::Role::kOptional, {}, "pre"}}})->prefix_cut);
  EXPECT_FALSE(Search(index, {{{Clause::Role::kOptional, {}, "pre1"}}})->prefix_cut);
}

}  // namespace
}  // namespace ragmesh::lexical
