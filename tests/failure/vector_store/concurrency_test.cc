// Writers, deleters, searchers and listers at once. Each document's chunks carry one revision, so a
// torn read shows as a mix; each search must answer, and what is written last must be what is
// found.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "libs/base/error.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/testing/test_data.h"
#include "libs/vector_store/store.h"

namespace ragmesh::vector_store {
namespace {

constexpr int kWriters = 4, kReaders = 3, kWritesEach = 150, kDocumentsEach = 5, kChunks = 6;
const stages::CollectionId kCollection{"default", "busy"};

stages::Upsert Revision(int writer, int document, int revision) {
  stages::Upsert upsert;
  upsert.document.emplace();
  upsert.document->id = "w" + std::to_string(writer) + "-d" + std::to_string(document);
  upsert.document->text = std::to_string(revision);
  upsert.document->acl_labels = {"staff"};
  for (int i = 0; i < kChunks; ++i) {
    stages::StoredChunk chunk;
    chunk.id = upsert.document->id + "-" + std::to_string(i);
    chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
    chunk.chunk.text = "pump";
    chunk.chunk.heading_path = {std::to_string(revision)};
    chunk.vector = {1, 0, 0, 0};
    upsert.chunks.push_back(chunk);
  }
  return upsert;
}

TEST(ConcurrencyTest, ReadersSeeWholeWritesWhileWritersShareCommits) {
  testing::TempDir dir;
  ThreadPool pool("search", 2, 64);
  StoreOptions options;
  options.path = dir.path().string();
  options.executor = &pool;
  options.search_threads = 2;
  auto opened = Store::Open(options);
  ASSERT_TRUE(opened.ok()) << opened.status();
  Store& store = **opened;
  const CallContext call(absl::InfiniteFuture());
  stages::CollectionConfig config;
  config.id = kCollection;
  config.dimension = 4;
  config.embedder_digest = "digest";
  ASSERT_TRUE(store.CreateCollection(config, call).ok());

  std::atomic<int> writing{kWriters};
  std::atomic<int> failures{0}, torn{0}, searches{0};
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int i = 0; i < kWritesEach; ++i) {
        const auto upsert = Revision(writer, i % kDocumentsEach, i);
        failures += store.Write(kCollection, "digest", upsert, call).ok() ? 0 : 1;
        if (i % 20 == 7 && i < kWritesEach - kDocumentsEach)
          failures +=
              store.Delete(kCollection, stages::DocumentIds{{upsert.document->id}}, call).ok() ? 0
                                                                                               : 1;
      }
      --writing;
    });
  }
  for (int reader = 0; reader < kReaders; ++reader) {
    threads.emplace_back([&, reader] {
      std::mt19937 random(static_cast<unsigned>(reader));
      do {
        if (reader == 0) {
          const auto page = store.ListChunks(kCollection, "w1-d1", {"staff"}, {}, {}, call);
          if (!page.ok()) continue;  // between a delete and the next write
          for (const auto& chunk : page->chunks) {
            torn += chunk.chunk.heading_path != page->chunks[0].chunk.heading_path ? 1 : 0;
          }
          torn += page->chunks.size() == kChunks ? 0 : 1;
          continue;
        }
        stages::SearchRequest request;
        request.collection = kCollection;
        request.mode = reader == 1 ? stages::SearchMode::kHybrid : stages::SearchMode::kLexical;
        request.query_text = "pumps";
        request.query_vector = {1, 0, 0, 0};
        request.embedder_digest = "digest";
        request.top_k = 10'000;
        request.principal_labels = {"staff"};
        const auto result = store.Search(request, call);
        // All of it is read while all of it is rewritten, so now and then it has to be tried again.
        const auto error = GetErrorDetail(result.status());
        if (error.has_value() && error->reason == "CONTENDED") continue;
        failures += result.ok() ? 0 : 1;
        ++searches;
        if (!result.ok()) continue;
        std::map<std::string, std::map<std::string, int>>
            revisions;  // document -> revision -> chunks
        for (const auto& hit : result->hits)
          ++revisions[hit.chunk.document_id][hit.chunk.chunk.heading_path[0]];
        for (const auto& [document, counts] : revisions) {
          torn += counts.size() == 1 && (counts.begin()->second == kChunks || reader == 1) ? 0 : 1;
        }
      } while (writing > 0);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(torn, 0);
  EXPECT_GT(searches, 0);
  const auto collection = store.GetCollection(kCollection, call);
  ASSERT_TRUE(collection.ok());
  EXPECT_EQ(collection->stats.chunks, kWriters * kDocumentsEach * kChunks);
  for (int writer = 0; writer < kWriters; ++writer) {
    for (int document = 0; document < kDocumentsEach; ++document) {
      const std::string id = "w" + std::to_string(writer) + "-d" + std::to_string(document);
      const auto stored = store.GetDocument(kCollection, id, {"staff"}, call);
      ASSERT_TRUE(stored.ok()) << id;
      EXPECT_EQ(stored->text, std::to_string(kWritesEach - kDocumentsEach + document));
    }
  }
}

}  // namespace
}  // namespace ragmesh::vector_store
