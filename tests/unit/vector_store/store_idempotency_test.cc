#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/replays.h"
#include "tests/unit/vector_store/store_fixture.h"

namespace ragmesh::vector_store {
namespace {

using ::ragmesh::testing::HasReason;

class StoreIdempotencyTest : public StoreFixture {
 protected:
  static stages::Upsert Keyed(const std::string& key, const std::string& text = "some text") {
    return {Document("d", text), {Chunk("a", 0, text, {1, 0})}, key};
  }
};

TEST_F(StoreIdempotencyTest, SameKeyAnswersTheFirstResultAgainAndWritesNothing) {
  const auto id = Create();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto first, store->Write(id, kDigest, Keyed("k"), call));
  EXPECT_FALSE(first.replayed);
  RAGMESH_ASSERT_OK(Write(id, Document("d", "newer"), {}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto again, store->Write(id, kDigest, Keyed("k"), call));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.sequence, first.sequence);
  EXPECT_EQ(again.chunks_written, 1u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto document, store->GetDocument(id, "d", all, call));
  EXPECT_EQ(document.text, "newer");
}

TEST_F(StoreIdempotencyTest, KeysOutliveARestart) {
  const auto id = Create();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto first, store->Write(id, kDigest, Keyed("k"), call));
  RAGMESH_ASSERT_OK(store->DeleteOnce(id, stages::DocumentIds{{"d"}}, "gone", call));
  Reopen();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto again, store->Write(id, kDigest, Keyed("k"), call));
  EXPECT_TRUE(again.replayed);
  EXPECT_EQ(again.sequence, first.sequence);
  EXPECT_THAT(store->GetDocument(id, "d", all, call), HasReason("DOCUMENT_NOT_FOUND"));
}

TEST_F(StoreIdempotencyTest, OtherContentUnderAKeyIsRefused) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(store->Write(id, kDigest, Keyed("k"), call));
  EXPECT_THAT(store->Write(id, kDigest, Keyed("k", "other"), call),
              HasReason("IDEMPOTENCY_KEY_REUSED"));
  EXPECT_THAT(store->DeleteOnce(id, stages::DocumentIds{{"d"}}, "k", call),
              HasReason("IDEMPOTENCY_KEY_REUSED"));
}

TEST_F(StoreIdempotencyTest, AWriteThatBeganAnewIsTheSameWrite) {
  const auto id = Create();
  Create("spare");
  constexpr int kWrites = 200;
  const auto write = [&](int i) {
    return store->Write(id, kDigest, Keyed(absl::StrCat("k", i)), call);
  };
  std::atomic<bool> stop = false;
  std::thread moves_names([&] {
    while (!stop) {
      RAGMESH_EXPECT_OK(store->SetAlias({.name = "alias",
                                         .collection = "spare",
                                         .expected_collection = "",
                                         .expected_sequence = std::nullopt,
                                         .rename_to = ""},
                                        call));
      RAGMESH_EXPECT_OK(store->DeleteAlias({"default", "alias"}, "spare", call));
    }
  });
  for (int i = 0; i < kWrites; ++i) RAGMESH_EXPECT_OK(write(i));
  stop = true;
  moves_names.join();
  for (int i = 0; i < kWrites; ++i) {
    RAGMESH_ASSERT_OK_AND_ASSIGN(const auto again, write(i));
    EXPECT_TRUE(again.replayed);
  }
}

TEST_F(StoreIdempotencyTest, ADeleteThatFoundNothingFindsNothingLater) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(store->DeleteOnce(id, stages::DocumentIds{{"d"}}, "k", call));
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto again,
                               store->DeleteOnce(id, stages::DocumentIds{{"d"}}, "k", call));
  EXPECT_EQ(again.documents, 0u);
  RAGMESH_EXPECT_OK(store->GetDocument(id, "d", all, call));
}

TEST_F(StoreIdempotencyTest, ChunksAddedToADocumentThatHasGoneAreAnswered) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {}));
  auto chunk = Chunk("a", 0, "pump", {1, 0});
  chunk.document_id = "d";
  RAGMESH_ASSERT_OK(store->Write(id, kDigest, {std::nullopt, {chunk}, "k"}, call));
  RAGMESH_ASSERT_OK(store->Delete(id, stages::DocumentIds{{"d"}}, call));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto again,
                               store->Write(id, kDigest, {std::nullopt, {chunk}, "k"}, call));
  EXPECT_TRUE(again.replayed);
}

TEST_F(StoreIdempotencyTest, OneOfManyAtOnceIsDone) {
  const auto id = Create();
  std::atomic<int> done{0}, replayed{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto result = store->Write(id, kDigest, Keyed("k"), call);
      ASSERT_TRUE(result.ok()) << result.status();
      ++(result->replayed ? replayed : done);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(replayed, 7);
}

TEST_F(StoreIdempotencyTest, AKeyIsForgottenAfterItsTimeAlsoOnDisk) {
  const auto id = Create();
  RAGMESH_ASSERT_OK(store->Write(id, kDigest, Keyed("k"), call));
  clock.Advance(kReplayTime + absl::Seconds(1));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto anew,
                               store->Write(id, kDigest, Keyed("k", "other"), call));
  EXPECT_FALSE(anew.replayed);
  Reopen();
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto again,
                               store->Write(id, kDigest, Keyed("k", "other"), call));
  EXPECT_TRUE(again.replayed);
}

TEST_F(StoreIdempotencyTest, AFailedWriteLeavesItsKeyFree) {
  const auto id = Create();
  auto chunk = Chunk("a", 0, "pump", {1, 0});
  chunk.document_id = "d";
  const auto write = [&] { return store->Write(id, kDigest, {std::nullopt, {chunk}, "k"}, call); };
  EXPECT_THAT(write(), HasReason("DOCUMENT_NOT_FOUND"));
  RAGMESH_ASSERT_OK(Write(id, Document("d"), {}));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto result, write());
  EXPECT_FALSE(result.replayed);
}

TEST_F(StoreIdempotencyTest, KeysThatAreTooLongAreRefused) {
  const auto id = Create();
  EXPECT_THAT(store->Write(id, kDigest, Keyed(std::string(129, 'k')), call),
              HasReason("LIMIT_EXCEEDED"));
  EXPECT_THAT(store->DeleteOnce(id, stages::DocumentIds{{"d"}}, std::string(129, 'k'), call),
              HasReason("LIMIT_EXCEEDED"));
}

TEST(ReplaysTest, TheOldestGoWhenThereAreTooMany) {
  Replays replays;
  const absl::Time now = absl::UnixEpoch();
  for (std::size_t i = 0; i < kMaxReplays; ++i)
    replays.Add("key-" + std::to_string(i), {.sequence = i + 1, .committed = now});
  EXPECT_THAT(replays.Outdated(now), ::testing::ElementsAre("key-0"));
  EXPECT_EQ(replays.Outdated(now + kReplayTime + absl::Seconds(1)).size(), kMaxReplays);
}

// A filter is compared by what it says, each part of it.
TEST(ReplaysTest, DeletesDifferWhenAnyPartOfTheirFilterDoes) {
  using stages::Filter;
  const auto content = [](Filter filter) { return ContentOf(stages::DeleteSelector(filter)); };
  const Filter equals{stages::FilterEquals{"a", std::int64_t{1}}};
  const std::vector<Filter> filters = {
      equals,
      {stages::FilterEquals{"a", std::int64_t{2}}},
      {stages::FilterEquals{"a", std::string("1")}},
      {stages::FilterIn{"a", {std::int64_t{1}}}},
      {stages::FilterRange{.field = "a", .greater_than = std::int64_t{1}}},
      {stages::FilterRange{.field = "a", .greater_or_equal = std::int64_t{1}}},
      {stages::FilterAnd{{equals}}},
      {stages::FilterOr{{equals}}},
      {stages::FilterNot{std::make_shared<Filter>(equals)}}};
  for (std::size_t i = 0; i < filters.size(); ++i) {
    for (std::size_t j = 0; j < filters.size(); ++j)
      EXPECT_EQ(content(filters[i]) == content(filters[j]), i == j) << i << ", " << j;
  }
  EXPECT_NE(ContentOf(stages::DeleteSelector(stages::ChunkIds{{"a"}})),
            ContentOf(stages::DeleteSelector(stages::DocumentIds{{"a"}})));
}

}  // namespace
}  // namespace ragmesh::vector_store
