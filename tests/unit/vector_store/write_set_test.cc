#include "libs/vector_store/write_set.h"

#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "libs/vector_store/record_keys.h"

namespace ragmesh::vector_store {
namespace {

std::vector<std::string> Changes(const WriteSet& writes) {
  std::vector<std::string> changes;
  writes.ForEach(
      [&](Family family, absl::string_view key, absl::string_view value) {
        changes.push_back(std::to_string(static_cast<int>(family)) + " " + std::string(key) + "=" +
                          std::string(value));
      },
      [&](Family family, absl::string_view key) {
        changes.push_back(std::to_string(static_cast<int>(family)) + " -" + std::string(key));
      });
  return changes;
}

TEST(WriteSetTest, ChangesComeInTheOrderTheyWereMade) {
  WriteSet writes;
  writes.Put(Family::kMeta, "a", "1");
  writes.Delete(Family::kCollections, "");
  writes.PutEncoded(Family::kStates, "b", [](std::string* out) { out->append("xy"); });
  writes.Put(Family::kMeta, "a", "");
  EXPECT_EQ(Changes(writes), (std::vector<std::string>{"0 a=1", "1 -", "2 b=xy", "0 a="}));
}

TEST(WriteSetTest, JoinedSetsFollowOneAnotherAndLeaveNothingBehind) {
  WriteSet first, second;
  first.Put(Family::kMeta, "a", "1");
  second.Reserve(1000);
  second.Put(Family::kMeta, "b", "2");
  first.Append(std::move(second));
  EXPECT_TRUE(second.empty());
  first.Delete(Family::kMeta, "c");
  EXPECT_EQ(Changes(first), (std::vector<std::string>{"0 a=1", "0 b=2", "0 -c"}));
  EXPECT_GE(first.bytes(), 5u);
  const WriteSet moved = std::move(first);
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(first.bytes(), 0u);
  EXPECT_EQ(Changes(moved).size(), 3u);
}

TEST(WriteSetTest, OnlyWhatADeleteWritesCountsAsRemoval) {
  WriteSet removal;
  EXPECT_TRUE(removal.only_removes());
  removal.Delete(Family::kChunks, "a");
  removal.Put(Family::kStates, "s", "1");
  removal.Put(Family::kReplays, "k", "1");
  removal.Put(Family::kMeta, DroppedKey(7), "1");
  EXPECT_TRUE(removal.only_removes());
  WriteSet other;
  other.Put(Family::kMeta, "next_collection", "1");
  EXPECT_FALSE(other.only_removes());
  removal.Append(std::move(other));
  EXPECT_FALSE(removal.only_removes());
}

}  // namespace
}  // namespace ragmesh::vector_store
