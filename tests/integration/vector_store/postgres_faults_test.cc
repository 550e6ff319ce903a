// What becomes of calls when PostgreSQL is killed, frozen, restarted, or was never there.
#include <atomic>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/postgres_store/postgres_store.h"
#include "libs/testing/status_matchers.h"
#include "tests/integration/vector_store/server_process.h"

namespace ragmesh::testing {
namespace {

using ::testing::HasSubstr;

class PostgresFaultsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!server.missing().empty()) GTEST_SKIP() << "skipped: " << server.missing();
    store = Open(server.url(), server.password());
    stages::CollectionConfig config;
    config.id = id;
    config.dimension = 2;
    config.embedder_digest = "digest";
    RAGMESH_ASSERT_OK(store->CreateCollection(config, Within(absl::Seconds(30))));
  }

  static std::unique_ptr<stages::VectorStore> Open(const std::string& url,
                                                   const std::string& password,
                                                   int connections = 2) {
    postgres_store::PostgresOptions options;
    options.server = {url, password};
    options.connections = connections;
    auto opened = postgres_store::PostgresStore::Open(options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  static CallContext Within(absl::Duration time) { return CallContext(absl::Now() + time); }

  absl::StatusOr<stages::UpsertResult> Write(const std::string& name, int chunks,
                                             absl::Duration time = absl::Seconds(30)) {
    stages::Upsert upsert;
    upsert.document.emplace();
    upsert.document->id = name;
    upsert.document->acl_labels = {"staff"};
    for (int i = 0; i < chunks; ++i) {
      stages::StoredChunk chunk;
      chunk.id = absl::StrCat(name, "-", i);
      chunk.chunk.ordinal = static_cast<std::uint32_t>(i);
      chunk.chunk.text = absl::StrCat("some words of the chunk ", i);
      chunk.vector = {1, 0};
      upsert.chunks.push_back(chunk);
    }
    return store->Write(id, "digest", std::move(upsert), Within(time));
  }
  absl::StatusOr<std::uint64_t> Count(absl::Duration time = absl::Seconds(30)) {
    return store->CountChunks(id, std::nullopt, {stages::kAllLabels}, Within(time));
  }
  absl::Status AwaitServer() {
    absl::Status last;
    for (int i = 0; i < 200; ++i) {
      last = Count().status();
      if (last.ok()) return last;
      absl::SleepFor(absl::Milliseconds(100));
    }
    return last;
  }

  PostgresServer server;
  std::unique_ptr<stages::VectorStore> store;
  const stages::CollectionId id{"default", "manuals"};
};

TEST_F(PostgresFaultsTest, KilledInTheMiddleOfWritesItLosesNothingAcknowledged) {
  std::atomic<bool> stop = false;
  std::set<std::string> acknowledged;  // of the writer alone, until it is joined
  std::string bad;
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string name = absl::StrCat("doc-", i);
      const auto written = Write(name, 20);
      if (written.ok()) {
        acknowledged.insert(name);
        continue;
      }
      const auto detail = GetErrorDetail(written.status());
      const bool typed =
          absl::IsUnavailable(written.status()) && detail.has_value() &&
          (detail->reason == "STORE_UNAVAILABLE" || detail->reason == "WRITE_OUTCOME_UNKNOWN") &&
          absl::StrContains(written.status().message(), "PostgreSQL at 127.0.0.1");
      if (!typed) bad = written.status().ToString();
      absl::SleepFor(absl::Milliseconds(20));
    }
  });
  for (int round = 0; round < 3; ++round) {
    absl::SleepFor(absl::Milliseconds(700));
    server.Kill();
    EXPECT_THAT(Count(absl::Seconds(5)), HasReason("STORE_UNAVAILABLE"));
    server.Start();
    RAGMESH_ASSERT_OK(AwaitServer());
  }
  stop = true;
  writer.join();
  EXPECT_EQ(bad, "");
  EXPECT_GT(acknowledged.size(), 3u);
  // All documents are there as a whole, and all that were acknowledged.
  stages::Page page{.size = 1000};
  std::set<std::string> found;
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto documents,
                               store->ListDocuments(id, std::nullopt, {stages::kAllLabels}, page,
                                                    Within(absl::Seconds(30))));
  for (const auto& document : documents.documents) found.insert(document.id);
  for (const std::string& name : acknowledged) EXPECT_TRUE(found.count(name) > 0) << name;
  EXPECT_THAT(Count(), IsOkAndHolds(20 * found.size()));
}

TEST_F(PostgresFaultsTest, AFrozenServerCostsACallItsDeadlineAndNoMore) {
  RAGMESH_ASSERT_OK(Write("a", 2));
  server.Freeze();
  for (const bool write : {false, true, false}) {
    const absl::Time begin = absl::Now();
    const absl::Status status = write ? Write("b", 2, absl::Milliseconds(500)).status()
                                      : Count(absl::Milliseconds(500)).status();
    EXPECT_LT(absl::Now() - begin, absl::Seconds(2)) << status;
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kDeadlineExceeded,
                                 HasSubstr("PostgreSQL at 127.0.0.1")));
  }
  const CallContext cancelled = Within(absl::Seconds(60));
  std::thread canceller([&] {
    absl::SleepFor(absl::Milliseconds(200));
    cancelled.Cancel();
  });
  const absl::Time begin = absl::Now();
  EXPECT_THAT(store->CountChunks(id, std::nullopt, {stages::kAllLabels}, cancelled),
              StatusIs(absl::StatusCode::kCancelled));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(2));
  canceller.join();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, store->Info(Within(absl::Seconds(30))));
  EXPECT_FALSE(info.ready);
  EXPECT_THAT(info.not_ready_reason, HasSubstr("PostgreSQL at 127.0.0.1"));
  server.Thaw();
  RAGMESH_ASSERT_OK(AwaitServer());
  RAGMESH_EXPECT_OK(Write("b", 3));
  EXPECT_THAT(Count(), IsOkAndHolds(5u));
}

TEST_F(PostgresFaultsTest, ConnectionsAreBoundedAndWaitedFor) {
  store = Open(server.url(), server.password(), /*connections=*/2);
  std::atomic<int> failed = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; ++i) {
    callers.emplace_back([&] {
      for (int n = 0; n < 10; ++n) failed += Count().ok() ? 0 : 1;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failed, 0);
}

TEST_F(PostgresFaultsTest, AServerThatWasNeverThereIsNamed) {
  store = Open(absl::StrCat("postgresql://ragmesh@127.0.0.1:", FreePort(), "/x"), "");
  for (int i = 0; i < 3; ++i) {
    const auto refused = Count(absl::Seconds(5));
    EXPECT_THAT(refused, HasReason("STORE_UNAVAILABLE"));
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr("PostgreSQL at 127.0.0.1"));
  }
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto info, store->Info(Within(absl::Seconds(5))));
  EXPECT_FALSE(info.ready);
}

TEST_F(PostgresFaultsTest, AWrongPasswordIsNoOutage) {
  store = Open(server.url(), "wrong");
  EXPECT_THAT(Count(), HasReason("STORE_LOGIN_REFUSED"));
  EXPECT_THAT(postgres_store::PostgresStore::Open({.server = {"http://x", ""}}).status(),
              HasReason("INVALID_FIELD"));
}

}  // namespace
}  // namespace ragmesh::testing
