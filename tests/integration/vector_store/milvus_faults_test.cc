// What becomes of calls when Milvus is frozen, killed, started again, or was never there.
#include "absl/strings/str_cat.h"
#include "libs/milvus_store/milvus_store.h"
#include "libs/testing/status_matchers.h"
#include "tests/integration/vector_store/server_process.h"

namespace ragmesh::testing {
namespace {

using ::testing::HasSubstr;

CallContext Within(absl::Duration time) { return CallContext(absl::Now() + time); }

std::unique_ptr<stages::VectorStore> Open(const std::string& url) {
  milvus_store::MilvusOptions options;
  options.url = url;
  auto opened = milvus_store::MilvusStore::Open(options);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return *std::move(opened);
}

// One server and one story, because it takes long to start.
TEST(MilvusFaultsTest, FrozenAndKilledItCostsDeadlinesAndLosesNothing) {
  MilvusServer server;
  if (!server.missing().empty()) GTEST_SKIP() << "skipped: " << server.missing();
  const auto store = Open(server.url());
  const stages::CollectionId id{"default", "manuals"};
  stages::CollectionConfig config;
  config.id = id;
  config.dimension = 2;
  config.embedder_digest = "digest";
  absl::Status made;
  const absl::Time patience = absl::Now() + absl::Minutes(3);
  do {  // its port answers before it does
    made = store->CreateCollection(config, Within(absl::Seconds(30))).status();
    if (!made.ok()) absl::SleepFor(absl::Milliseconds(500));
  } while (!made.ok() && absl::Now() < patience);
  RAGMESH_ASSERT_OK(made);
  const auto write = [&](const std::string& name, absl::Duration time) {
    stages::Upsert upsert;
    upsert.document.emplace();
    upsert.document->id = name;
    for (int i = 0; i < 3; ++i) {
      stages::StoredChunk chunk;
      chunk.id = absl::StrCat(name, "-", i);
      chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
      chunk.chunk.text = "words";
      chunk.vector = {1, 0};
      upsert.chunks.push_back(chunk);
    }
    return store->Write(id, "digest", std::move(upsert), Within(time)).status();
  };
  const auto count = [&](absl::Duration time) {
    return store->CountChunks(id, std::nullopt, {stages::kAllLabels}, Within(time));
  };
  RAGMESH_ASSERT_OK(write("a", absl::Seconds(30)));
  ASSERT_THAT(count(absl::Seconds(30)), IsOkAndHolds(3u));

  server.Freeze();
  for (const bool writes : {false, true}) {
    const absl::Time begin = absl::Now();
    const absl::Status status =
        writes ? write("b", absl::Milliseconds(500)) : count(absl::Milliseconds(500)).status();
    EXPECT_LT(absl::Now() - begin, absl::Seconds(2)) << status;
    EXPECT_THAT(status,
                StatusIs(absl::StatusCode::kDeadlineExceeded, HasSubstr("Milvus at 127.0.0.1")));
  }
  server.Thaw();
  RAGMESH_EXPECT_OK(write("b", absl::Seconds(30)));

  server.Kill();
  EXPECT_THAT(count(absl::Seconds(5)), HasReason("STORE_UNAVAILABLE"));
  EXPECT_THAT(write("c", absl::Seconds(5)), HasReason("STORE_UNAVAILABLE"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, store->Info(Within(absl::Seconds(5))));
  EXPECT_FALSE(info.ready);
  server.Start();
  ASSERT_EQ(server.missing(), "");
  absl::StatusOr<std::uint64_t> after = absl::UnavailableError("");
  const absl::Time end = absl::Now() + absl::Minutes(3);
  do {
    after = count(absl::Seconds(10));
    if (!after.ok()) absl::SleepFor(absl::Milliseconds(500));
  } while (!after.ok() && absl::Now() < end);
  EXPECT_THAT(after, IsOkAndHolds(6u));
}

TEST(MilvusFaultsTest, AServerThatWasNeverThereIsNamed) {
  const auto store = Open(absl::StrCat("http://127.0.0.1:", FreePort()));
  const auto refused = store->ListCollections("default", Within(absl::Seconds(5)));
  EXPECT_THAT(refused, HasReason("STORE_UNAVAILABLE"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("Milvus at 127.0.0.1"));
  EXPECT_THAT(milvus_store::MilvusStore::Open({.url = "http://user:x@host/"}).status(),
              HasReason("INVALID_FIELD"));
}

}  // namespace
}  // namespace ragmesh::testing
