#include "libs/segment/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "libs/lexical/analyzer.h"
#include "libs/lexical/index_search.h"
#include "libs/linalg/kernels.h"
#include "libs/segment/segment_writer.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::segment {
namespace {

using ::ragmesh::testing::HasReason;
using vector_index::SlotSet;

constexpr std::uint32_t kDimension = 20;
const CallContext kCall(absl::InfiniteFuture());

struct Chunk {
  std::string id, text;
  std::uint64_t number, document;
  std::uint32_t ordinal;
  std::vector<float> vector;
};

// Chunks in memory, as the tail of a collection has them.
class Tail final : public SegmentSource {
 public:
  explicit Tail(std::vector<Chunk> chunks) : chunks_(std::move(chunks)) {
    for (std::uint32_t row = 0; row < chunks_.size(); ++row) {
      const auto terms = analyzer_.Analyze("", "", chunks_[row].text);
      const auto document = index_.Intern(terms);
      index_.Append(row, document);
      index_.Activate(document);
    }
  }
  std::uint32_t rows() const override { return static_cast<std::uint32_t>(chunks_.size()); }
  CatalogChunk chunk(std::uint32_t row) const override {
    const Chunk& chunk = chunks_[row];
    return {chunk.id, chunk.number, chunk.document, chunk.ordinal};
  }
  absl::Status ReadVectors(absl::Span<const std::uint32_t> rows, float* out) const override {
    for (const std::uint32_t row : rows)
      out = std::copy(chunks_[row].vector.begin(), chunks_[row].vector.end(), out);
    return absl::OkStatus();
  }
  lexical::PostingsSource postings() const override { return {.index = &index_}; }
  const std::vector<Chunk>& chunks() const { return chunks_; }

 private:
  const lexical::Analyzer analyzer_{"en"};
  std::vector<Chunk> chunks_;
  lexical::InvertedIndex index_;
};

class SegmentTest : public ::testing::Test {
 protected:
  std::vector<Chunk> RandomChunks(std::uint32_t count) {
    std::vector<Chunk> chunks;
    std::normal_distribution<float> normal;
    for (std::uint32_t i = 0; i < count; ++i) {
      Chunk chunk{
          "chunk " + std::to_string(random_()), "", ++number_, 1 + random_() % 40, i % 5, {}};
      for (int word = 0; word < 12; ++word)
        chunk.text += "word" + std::to_string(random_() % 60) + " ";
      float squares = 0;
      for (std::uint32_t d = 0; d < kDimension; ++d) {
        chunk.vector.push_back(normal(random_));
        squares += chunk.vector.back() * chunk.vector.back();
      }
      for (float& value : chunk.vector) value /= std::sqrt(squares);
      chunks.push_back(std::move(chunk));
    }
    return chunks;
  }

  static stages::StoredDocument Document(std::uint64_t number) {
    stages::StoredDocument document;
    document.id = "document " + std::to_string(number);
    document.name = number % 2 == 0 ? "even.txt" : "";
    document.metadata["number"] = static_cast<std::int64_t>(number);
    document.metadata["document_id"] = std::string("hidden by the reserved field");
    document.acl_labels = {"all", number % 3 == 0 ? "third" : "other"};
    return document;
  }

  // Writes the kept chunks of the parts, with documents 1 to 40.
  std::string Write(const std::string& name, std::vector<SegmentContent::Part> parts,
                    std::uint32_t dimension = kDimension) {
    const std::string stem = (dir_.path() / name).string();
    SegmentContent content{.dimension = dimension, .parts = std::move(parts)};
    std::vector<std::string> ids, records;
    for (std::uint64_t number = 1; number <= 40; ++number) {
      ids.push_back(Document(number).id);
      records.push_back("record " + std::to_string(number));
    }
    for (std::uint64_t number = 1; number <= 40; ++number)
      content.documents.push_back({ids[number - 1], number, records[number - 1]});
    stages::StoredDocument described;
    const auto status = WriteSegment(
        stem, linalg::DefaultKernels(), content,
        [&](std::uint64_t number) -> absl::StatusOr<const stages::StoredDocument*> {
          described = Document(number);
          return &described;
        },
        kCall);
    EXPECT_TRUE(status.ok()) << status;
    return stem;
  }

  static void ExpectHolds(const Segment& segment, const std::map<std::string, Chunk>& expected) {
    ASSERT_EQ(segment.rows(), expected.size());
    for (const auto& [id, chunk] : expected) {
      const auto row = segment.catalog().FindChunk(id);
      ASSERT_TRUE(row.has_value()) << id;
      EXPECT_EQ(segment.chunk(*row).number, chunk.number);
      EXPECT_EQ(segment.chunk(*row).document_number, chunk.document);
      std::vector<float> vector(chunk.vector.size());
      ASSERT_TRUE(segment.ReadVectors({*row}, vector.data()).ok());
      EXPECT_EQ(vector, chunk.vector);
    }
    // Filters and labels see the document of each chunk.
    const auto matching = [&](const stages::Filter& filter) {
      return segment.columns().Matching(filter);
    };
    stages::FilterRange range{.field = "number"};
    range.less_than = std::int64_t{15};
    const SlotSet low = matching({range});
    const SlotSet even = matching({stages::FilterEquals{"document_name", std::string("even.txt")}});
    const SlotSet seven =
        matching({stages::FilterEquals{"document_id", std::string("document 7")}});
    const SlotSet third = segment.labels().WithAny(kLabels, {"third"});
    for (std::uint32_t row = 0; row < segment.rows(); ++row) {
      const std::uint64_t document = segment.chunk(row).document_number;
      EXPECT_EQ(low.Contains(row), document < 15);
      EXPECT_EQ(even.Contains(row), document % 2 == 0);
      EXPECT_EQ(seven.Contains(row), document == 7);
      EXPECT_EQ(third.Contains(row), document % 3 == 0);
    }
    // Terms lead to the chunks whose text has them.
    for (const char* word : {"word3", "word59"}) {
      std::vector<std::string> found, wanted;
      EXPECT_TRUE(
          segment.terms()
              .ForEachSlot(word,
                           [&](std::uint32_t row) { found.emplace_back(segment.chunk(row).id); })
              .ok());
      for (const auto& [id, chunk] : expected) {
        if (chunk.text.find(std::string(word) + " ") != std::string::npos) wanted.push_back(id);
      }
      std::sort(found.begin(), found.end());
      EXPECT_EQ(found, wanted);
    }
    for (std::uint64_t number = 1; number <= 40; ++number)
      EXPECT_EQ(*segment.catalog().Record(static_cast<std::uint32_t>(number - 1)),
                "record " + std::to_string(number));
  }

  static SlotSet Kept(std::uint32_t rows, std::mt19937& random) {
    SlotSet kept(rows);
    for (std::uint32_t row = 0; row < rows; ++row) {
      if (random() % 4 != 0) kept.Add(row);
    }
    return kept;
  }

  testing::TempDir dir_;
  std::mt19937 random_{6};
  std::uint64_t number_ = 0;
};

TEST_F(SegmentTest, HoldsWhatWasKeptOfItsPartsAndSoDoesAMergeOfSegments) {
  const Tail one(RandomChunks(500)), two(RandomChunks(300)), three(RandomChunks(1));
  const SlotSet kept_one = Kept(500, random_), kept_two = Kept(300, random_);
  std::map<std::string, Chunk> expected;
  for (std::uint32_t row = 0; row < 500; ++row) {
    if (kept_one.Contains(row)) expected[one.chunks()[row].id] = one.chunks()[row];
  }
  for (std::uint32_t row = 0; row < 300; ++row) {
    if (kept_two.Contains(row)) expected[two.chunks()[row].id] = two.chunks()[row];
  }
  const auto first = Segment::Open(Write("1", {{&one, &kept_one}, {&two, &kept_two}}), kDimension);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(**first, expected));
  EXPECT_GT((*first)->disk_bytes(), (*first)->memory_bytes());

  SlotSet kept = Kept((*first)->rows(), random_), all(1);
  all.Add(0);
  for (std::uint32_t row = 0; row < (*first)->rows(); ++row) {
    if (!kept.Contains(row)) expected.erase(std::string((*first)->chunk(row).id));
  }
  expected[three.chunks()[0].id] = three.chunks()[0];
  const auto merged =
      Segment::Open(Write("2", {{&three, &all}, {first->get(), &kept}}), kDimension);
  ASSERT_TRUE(merged.ok()) << merged.status();
  ASSERT_NO_FATAL_FAILURE(ExpectHolds(**merged, expected));
}

TEST_F(SegmentTest, WithoutVectorsKeepsTheOrderOfNumbersAndHasOneFile) {
  const Tail tail(RandomChunks(50));
  SlotSet all(50);
  all.Invert();
  const std::string stem = Write("lexical", {{&tail, &all}}, 0);
  const auto segment = Segment::Open(stem, 0);
  ASSERT_TRUE(segment.ok()) << segment.status();
  EXPECT_EQ((*segment)->lists(), nullptr);
  for (std::uint32_t row = 0; row < 50; ++row) EXPECT_EQ((*segment)->chunk(row).number, row + 1);
  EXPECT_FALSE(std::filesystem::exists(BytesPath(stem)));
  EXPECT_FALSE(std::filesystem::exists(VectorsPath(stem)));
}

TEST_F(SegmentTest, AnotherDimensionOrAMissingFileIsRefused) {
  const Tail tail(RandomChunks(50));
  SlotSet all(50);
  all.Invert();
  const std::string stem = Write("some", {{&tail, &all}});
  EXPECT_THAT(Segment::Open(stem, kDimension + 1), HasReason("CORRUPT_DATA"));
  std::filesystem::remove(BytesPath(stem));
  EXPECT_EQ(Segment::Open(stem, kDimension).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SegmentTest, WhatFailsLeavesNoFileBehind) {
  const Tail tail(RandomChunks(50));
  SlotSet all(50);
  all.Invert();
  const std::string stem = (dir_.path() / "failed").string();
  const SegmentContent content{.dimension = kDimension, .parts = {{&tail, &all}}};
  const auto gone = [](std::uint64_t) -> absl::StatusOr<const stages::StoredDocument*> {
    return absl::DataLossError("gone");
  };
  EXPECT_EQ(WriteSegment(stem, linalg::DefaultKernels(), content, gone, kCall),
            absl::DataLossError("gone"));
  const CallContext over(absl::InfinitePast());
  EXPECT_EQ(WriteSegment(stem, linalg::DefaultKernels(), content, gone, over).code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(std::filesystem::is_empty(dir_.path()));
}

TEST_F(SegmentTest, EveryFlippedBitIsFoundAtOpenOrWhenItIsRead) {
  const Tail tail(RandomChunks(400));
  SlotSet all(400);
  all.Invert();
  const std::string stem = Write("flipped", {{&tail, &all}});
  for (const std::string& path : {SegmentPath(stem), BytesPath(stem), VectorsPath(stem)}) {
    const auto size = static_cast<std::size_t>(std::filesystem::file_size(path));
    for (int i = 0; i < 60; ++i) {
      const std::size_t at = random_() % size;
      char byte = 0;
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.seekg(static_cast<std::streamoff>(at)).get(byte);
      const char flipped = static_cast<char>(byte ^ (1 << random_() % 8));
      file.seekp(static_cast<std::streamoff>(at)).put(flipped).flush();
      absl::Status status;
      const auto segment = Segment::Open(stem, kDimension);
      status = segment.status();
      if (segment.ok()) {
        std::vector<float> vector(kDimension);
        for (std::uint32_t row = 0; row < 400; ++row)
          status.Update((*segment)->ReadVectors({row}, vector.data()));
        for (std::uint32_t document = 0; document < 40; ++document)
          status.Update((*segment)->catalog().Record(document).status());
      }
      EXPECT_THAT(status, ::testing::AnyOf(HasReason("CORRUPT_DATA"), HasReason("NEWER_FORMAT")))
          << path << " at " << at;
      file.seekp(static_cast<std::streamoff>(at)).put(byte).flush();
    }
  }
  EXPECT_TRUE(Segment::Open(stem, kDimension).ok());
}

}  // namespace
}  // namespace ragmesh::segment
