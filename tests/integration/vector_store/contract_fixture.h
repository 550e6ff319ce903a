// A store of any kind, and short ways to fill and ask it.
#ifndef RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_CONTRACT_FIXTURE_H_
#define RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_CONTRACT_FIXTURE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "libs/stages/vector_store.h"
#include "libs/testing/status_matchers.h"
#include "tests/integration/vector_store/backends.h"

namespace ragmesh::testing {

inline constexpr char kDigest[] = "digest-a";

inline std::vector<float> Unit(std::vector<float> values) {
  double square = 0;
  for (const float value : values) square += static_cast<double>(value) * value;
  for (float& value : values) value = static_cast<float>(value / std::sqrt(square));
  return values;
}

class ContractTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    backend = MakeBackend(GetParam());
    if (const std::string missing = backend->Missing(); !missing.empty()) {
      GTEST_SKIP() << "skipped: " << missing;
    }
    store = backend->Open();
    RAGMESH_ASSERT_OK_AND_ASSIGN(info, store->Info(call()));
    ASSERT_TRUE(info.ready) << info.not_ready_reason;
  }

  // What the store says of itself; the built-in store has everything.
  bool Can(const std::string& feature) const {
    return info.features.count("backend") == 0 ||
           (info.features.count(feature) > 0 && info.features.at(feature) == "yes");
  }

  static CallContext call() { return CallContext(absl::Now() + absl::Seconds(60)); }

  static stages::CollectionConfig Config(const std::string& name, std::uint32_t dimension,
                                         const std::string& tenant = "default") {
    stages::CollectionConfig config;
    config.id = {tenant, name};
    config.dimension = dimension;
    config.embedder_digest = dimension > 0 ? kDigest : "";
    return config;
  }
  stages::CollectionId Create(const std::string& name = "manuals", std::uint32_t dimension = 3,
                              const std::string& tenant = "default") {
    const auto config = Config(name, dimension, tenant);
    const auto created = store->CreateCollection(config, call());
    EXPECT_TRUE(created.ok()) << created.status();
    return config.id;
  }

  static stages::StoredDocument Document(const std::string& id,
                                         const std::string& text = "some text of a document",
                                         std::vector<std::string> labels = {"staff"}) {
    stages::StoredDocument document;
    document.id = id;
    document.name = id + ".txt";
    document.text = text;
    document.info.sha256 = "sha-of-" + text;
    document.info.media_type = "text/plain";
    document.acl_labels = std::move(labels);
    return document;
  }
  static stages::StoredChunk Chunk(const std::string& id, std::uint32_t ordinal,
                                   const std::string& text, std::vector<float> vector = {1, 0, 0}) {
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
    return store->Write(id, kDigest, {std::move(document), std::move(chunks)}, call());
  }

  static stages::SearchRequest Dense(const stages::CollectionId& id, std::vector<float> query) {
    stages::SearchRequest request;
    request.collection = id;
    request.mode = stages::SearchMode::kDense;
    request.query_vector = Unit(std::move(query));
    request.embedder_digest = kDigest;
    request.principal_labels = {stages::kAllLabels};
    return request;
  }
  std::vector<std::string> Ids(const stages::SearchRequest& request) {
    const auto result = store->Search(request, call());
    EXPECT_TRUE(result.ok()) << result.status();
    std::vector<std::string> ids;
    if (result.ok()) {
      for (const auto& hit : result->hits) ids.push_back(hit.chunk.id);
    }
    return ids;
  }
  std::vector<std::string> ChunkIdsOf(const stages::CollectionId& id, const std::string& document) {
    const auto page = store->ListChunks(id, document, {stages::kAllLabels}, {}, {}, call());
    EXPECT_TRUE(page.ok()) << page.status();
    std::vector<std::string> ids;
    if (page.ok()) {
      for (const auto& chunk : page->chunks) ids.push_back(chunk.id);
    }
    return ids;
  }

  const std::vector<std::string> all{stages::kAllLabels};
  stages::StageInfo info;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<stages::VectorStore> store;
};

inline std::string NameOf(const ::testing::TestParamInfo<std::string>& param) {
  return param.param;
}

}  // namespace ragmesh::testing

#endif  // RAGMESH_TESTS_INTEGRATION_VECTOR_STORE_CONTRACT_FIXTURE_H_
