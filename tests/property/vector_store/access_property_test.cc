// Nobody ever gets a chunk from another tenant, or of a document that shares no label with them: a
// hundred thousand random questions over documents of random labels in collections of one name
// under several tenants.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <string>

#include "libs/testing/test_data.h"
#include "libs/vector_store/store.h"
#include "tests/property/vector_store/model.h"

namespace ragmesh::vector_store {
namespace {

constexpr unsigned kSeed = 20;
constexpr int kQuestions = 100'000;
constexpr int kDocuments = 60;

std::string Label(unsigned n) { return "label-" + std::to_string(n); }

std::vector<std::string> RandomLabels(std::mt19937* random, unsigned most) {
  std::vector<std::string> labels;
  for (unsigned n = (*random)() % (most + 1); n > 0; --n) labels.push_back(Label((*random)() % 8));
  return labels;
}

TEST(AccessPropertyTest, NoForeignChunkIsEverReturned) {
  std::mt19937 random(kSeed);
  testing::TempDir dir;
  StoreOptions options;
  options.path = dir.path().string();
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  Store& store = **opened;
  const CallContext call(absl::InfiniteFuture());
  std::map<std::string, Model> tenants;
  for (const char* tenant : {"t-0", "t-1", "t-2"}) {
    stages::CollectionConfig config;
    config.id = {tenant, "same-name"};
    config.dimension = 2;
    config.embedder_digest = "digest";
    ASSERT_TRUE(store.CreateCollection(config, call).ok());
    for (int i = 0; i < kDocuments; ++i) {
      stages::Upsert upsert;
      upsert.document.emplace();
      upsert.document->id = "d" + std::to_string(i);
      upsert.document->acl_labels = RandomLabels(&random, 3);
      stages::StoredChunk chunk;
      chunk.id = std::string(tenant) + "/" + upsert.document->id;
      chunk.chunk.text = "pump";
      chunk.vector = {1, 0};
      upsert.chunks = {chunk};
      tenants[tenant][upsert.document->id] = {*upsert.document, {{chunk.id, chunk}}};
      ASSERT_TRUE(store.Write(config.id, "digest", upsert, call).ok());
    }
  }
  for (int i = 0; i < kQuestions; ++i) {
    const std::string tenant = "t-" + std::to_string(random() % 3);
    const auto labels = RandomLabels(&random, 3);
    stages::SearchRequest request;
    request.collection = {tenant, "same-name"};
    request.mode = random() % 2 == 0 ? stages::SearchMode::kDense : stages::SearchMode::kLexical;
    request.query_text = "pump";
    request.query_vector = {1, 0};
    request.embedder_digest = "digest";
    request.top_k = 1 + random() % 5;
    request.principal_labels = labels;
    const auto found = store.Search(request, call);
    ASSERT_TRUE(found.ok()) << found.status();
    std::size_t visible = 0;
    for (const auto& [id, entry] : tenants[tenant])
      visible += MayBeSeen(entry.document, labels) ? 1 : 0;
    ASSERT_EQ(found->candidates, visible) << "seed " << kSeed << ", question " << i;
    ASSERT_EQ(found->hits.size(), std::min<std::size_t>(visible, request.top_k));
    for (const auto& hit : found->hits) {
      ASSERT_EQ(hit.chunk.id.substr(0, 3), tenant) << "seed " << kSeed << ", question " << i;
      ASSERT_TRUE(MayBeSeen(tenants[tenant].at(hit.chunk.document_id).document, labels));
    }
  }
}

}  // namespace
}  // namespace ragmesh::vector_store
