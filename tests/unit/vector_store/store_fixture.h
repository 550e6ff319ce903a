// A store in a scratch directory, and short ways to fill it.
#ifndef RAGMESH_TESTS_UNIT_VECTOR_STORE_STORE_FIXTURE_H_
#define RAGMESH_TESTS_UNIT_VECTOR_STORE_STORE_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/testing/test_data.h"
#include "libs/vector_store/store.h"

namespace ragmesh::vector_store {

inline std::vector<float> Unit(std::vector<float> values) {
  double square = 0;
  for (const float value : values) square += value * value;
  for (float& value : values) value = static_cast<float>(value / std::sqrt(square));
  return values;
}

class StoreFixture : public ::testing::Test {
 protected:
  static constexpr char kDigest[] = "digest-a";

  StoreFixture() { Reopen(); }

  void Reopen() {
    store.reset();
    StoreOptions options;
    options.path = (dir.path() / "store").string();
    options.clock = &clock;
    options.seal_rows = SealRows();
    auto opened = Store::Open(options);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store = *std::move(opened);
  }

  // The tests run with tails of the usual size, and once more with so few rows that nearly
  // everything lies in segments.
  static std::uint32_t SealRows() {
    const char* const rows = std::getenv("RAGMESH_TEST_SEAL_ROWS");
    return rows == nullptr ? StoreOptions().seal_rows
                           : static_cast<std::uint32_t>(std::stoul(rows));
  }
  void AwaitSealed() {
    ASSERT_TRUE(store->AwaitSealed(absl::Now() + absl::Seconds(30))) << "segments are due";
  }

  stages::CollectionId Create(const std::string& name = "manuals", std::uint32_t dimension = 2) {
    stages::CollectionConfig config;
    config.id.name = name;
    config.dimension = dimension;
    config.embedder_digest = dimension > 0 ? kDigest : "";
    const auto created = store->CreateCollection(config, call);
    EXPECT_TRUE(created.ok()) << created.status();
    return config.id;
  }

  static stages::StoredDocument Document(const std::string& id,
                                         const std::string& text = "some text",
                                         std::vector<std::string> labels = {"staff"}) {
    stages::StoredDocument document;
    document.id = id;
    document.name = id + ".txt";
    document.text = text;
    document.info.sha256 = "sha-of-" + text;
    document.acl_labels = std::move(labels);
    return document;
  }

  static stages::StoredChunk Chunk(const std::string& id, std::uint32_t ordinal,
                                   const std::string& text, std::vector<float> vector) {
    stages::StoredChunk chunk;
    chunk.id = id;
    chunk.chunk.ordinal = ordinal;
    chunk.chunk.text = text;
    chunk.vector = vector.empty() ? vector : Unit(std::move(vector));
    return chunk;
  }

  absl::StatusOr<stages::UpsertResult> Write(const stages::CollectionId& id,
                                             stages::StoredDocument document,
                                             std::vector<stages::StoredChunk> chunks) {
    auto written = store->Write(id, kDigest, {std::move(document), std::move(chunks)}, call);
    AwaitSealed();
    return written;
  }

  std::vector<std::string> Ids(const absl::StatusOr<stages::SearchResult>& result) {
    std::vector<std::string> ids;
    EXPECT_TRUE(result.ok()) << result.status();
    if (result.ok()) {
      for (const auto& hit : result->hits) ids.push_back(hit.chunk.id);
    }
    return ids;
  }

  stages::SearchRequest Dense(const stages::CollectionId& id, std::vector<float> query) {
    stages::SearchRequest request;
    request.collection = id;
    request.mode = stages::SearchMode::kDense;
    request.query_vector = Unit(std::move(query));
    request.embedder_digest = kDigest;
    request.principal_labels = {stages::kAllLabels};
    return request;
  }

  stages::SearchRequest Lexical(const stages::CollectionId& id, const std::string& query) {
    stages::SearchRequest request;
    request.collection = id;
    request.mode = stages::SearchMode::kLexical;
    request.query_text = query;
    request.principal_labels = {stages::kAllLabels};
    return request;
  }

  testing::TempDir dir;
  testing::FakeClock clock;
  const CallContext call{absl::InfiniteFuture()};
  const std::vector<std::string> all{stages::kAllLabels};
  std::unique_ptr<Store> store;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_TESTS_UNIT_VECTOR_STORE_STORE_FIXTURE_H_
