#include "libs/remote_generation/event_stream.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::remote_generation {
namespace {

using ragmesh::testing::HasReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// The data of every event of `pieces`.
std::vector<std::string> Read(const std::vector<std::string>& pieces) {
  EventStream stream;
  std::vector<std::string> data;
  for (const std::string& piece : pieces) {
    RAGMESH_EXPECT_OK(stream.Add(piece, [&data](absl::string_view event) {
      data.emplace_back(event);
      return absl::OkStatus();
    }));
  }
  return data;
}

TEST(EventStreamTest, CutsEventsAtEmptyLines) {
  EXPECT_THAT(Read({"data: a\n\ndata: b\n\n"}), ElementsAre("a", "b"));
}

TEST(EventStreamTest, TakesEveryKindOfLineEnd) {
  EXPECT_THAT(Read({"data: a\r\n\r\ndata: b\r\rdata: c\n\n"}), ElementsAre("a", "b", "c"));
}

TEST(EventStreamTest, JoinsAnEventThatIsCutAnywhere) {
  const std::string whole = "data: one\r\ndata: two\r\n\r\n: a comment\r\ndata:three\r\n\r\n";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    EXPECT_THAT(Read({whole.substr(0, cut), whole.substr(cut)}), ElementsAre("one\ntwo", "three"))
        << "cut at " << cut;
  }
}

TEST(EventStreamTest, LeavesOutCommentsAndOtherFields) {
  EXPECT_THAT(Read({":\n\n: ping\n\nevent: x\nid: 1\nretry: 5\n\n"}), IsEmpty());
}

TEST(EventStreamTest, DropsAnEventThatDoesNotEnd) { EXPECT_THAT(Read({"data: a\n"}), IsEmpty()); }

TEST(EventStreamTest, ReturnsTheReadersError) {
  EventStream stream;
  EXPECT_THAT(
      stream.Add("data: a\n\n", [](absl::string_view) { return absl::CancelledError("enough"); }),
      ragmesh::testing::StatusIs(absl::StatusCode::kCancelled));
}

TEST(EventStreamTest, RefusesALineWithoutEnd) {
  EventStream stream(100);
  const auto ignore = [](absl::string_view) { return absl::OkStatus(); };
  RAGMESH_EXPECT_OK(stream.Add(std::string(100, 'x'), ignore));
  EXPECT_THAT(stream.Add("x", ignore), HasReason("REMOTE_BAD_ANSWER"));
}

TEST(EventStreamTest, RefusesAnEventWithoutEnd) {
  EventStream stream(100);
  const auto ignore = [](absl::string_view) { return absl::OkStatus(); };
  absl::Status status;
  for (int i = 0; i < 50 && status.ok(); ++i) status = stream.Add("data: xxxx\n", ignore);
  EXPECT_THAT(status, HasReason("REMOTE_BAD_ANSWER"));
}

}  // namespace
}  // namespace ragmesh::remote_generation
