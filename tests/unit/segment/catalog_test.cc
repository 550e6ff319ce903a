#include "libs/segment/catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"

namespace ragmesh::segment {
namespace {

struct Chunk {
  std::string id;
  std::uint64_t number, document;
  std::uint32_t ordinal;
};

TEST(CatalogTest, KnowsItsChunksAndDocumentsAndWhatBelongsToWhat) {
  testing::TempDir dir;
  const std::string path = (dir.path() / "catalog").string();
  std::mt19937 random(4);
  std::vector<Chunk> chunks;
  std::map<std::uint64_t, std::string> documents;
  for (std::uint64_t number = 10; number < 400; number += 1 + random() % 5)
    documents[number] = "document " + std::to_string(random());
  for (std::uint64_t i = 0; i < 3000; ++i) {
    // Some documents lie in another segment; some here have no chunks.
    chunks.push_back({"chunk " + std::to_string(random()), 1'000'000 + i, random() % 500,
                      static_cast<std::uint32_t>(random() % 7)});
  }
  CatalogBuilder builder;
  for (const Chunk& chunk : chunks)
    builder.AddChunk({chunk.id, chunk.number, chunk.document, chunk.ordinal});
  for (const auto& [number, id] : documents) {
    const std::string record = "record of " + id;
    builder.AddDocument({id, number, record});
  }
  auto writer = SectionWriter::Create(path);
  ASSERT_TRUE(writer.ok());
  ASSERT_TRUE(builder.Write(writer->get()).ok());
  ASSERT_TRUE((*writer)->Finish().ok());

  const auto file = SectionFile::Open(path);
  ASSERT_TRUE(file.ok());
  const auto catalog = Catalog::Open(**file);
  ASSERT_TRUE(catalog.ok()) << catalog.status();
  ASSERT_EQ(catalog->chunks(), chunks.size());
  std::map<std::uint64_t, std::vector<std::tuple<std::uint32_t, std::string, std::uint32_t>>> of;
  for (std::uint32_t row = 0; row < chunks.size(); ++row) {
    const CatalogChunk found = catalog->chunk(row);
    EXPECT_EQ(found.id, chunks[row].id);
    EXPECT_EQ(found.number, chunks[row].number);
    EXPECT_EQ(found.document_number, chunks[row].document);
    EXPECT_EQ(found.ordinal, chunks[row].ordinal);
    EXPECT_EQ(catalog->FindChunk(chunks[row].id), row);
    of[chunks[row].document].emplace_back(chunks[row].ordinal, chunks[row].id, row);
  }
  EXPECT_EQ(catalog->FindChunk("no such chunk"), std::nullopt);
  for (std::uint64_t number = 0; number < 600; ++number) {
    auto& expected = of[number];
    std::sort(expected.begin(), expected.end());
    const auto rows = catalog->ChunksOf(number);
    ASSERT_EQ(rows.size(), expected.size());
    for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows[i], std::get<2>(expected[i]));
    const auto index = catalog->FindNumber(number);
    ASSERT_EQ(index.has_value(), documents.contains(number));
    if (!index.has_value()) continue;
    EXPECT_EQ(catalog->document(*index).id, documents[number]);
    EXPECT_EQ(catalog->document(*index).number, number);
    EXPECT_EQ(*catalog->Record(*index), "record of " + documents[number]);
    EXPECT_EQ(catalog->FindDocument(documents[number]), index);
  }
  std::set<std::string> sorted;
  for (const auto& [number, id] : documents) sorted.insert(id);
  ASSERT_EQ(catalog->documents_by_id().size(), sorted.size());
  auto it = sorted.begin();
  for (const std::uint32_t index : catalog->documents_by_id())
    EXPECT_EQ(catalog->document(index).id, *it++);
}

}  // namespace
}  // namespace ragmesh::segment
