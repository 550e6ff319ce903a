// `ragmesh collections update` against a gateway on a real server.
#include "tests/integration/search/command_line.h"
#include "tests/integration/search/search_mesh.h"

namespace ragmesh::services {
namespace {

namespace v1 = ::ragmesh::gateway::v1;

class UpdateCommandTest : public SearchMesh {
 protected:
  cli::Printed Run(std::vector<std::string> words) {
    words.insert(words.begin(), {"collections", "update"});
    words.insert(words.end(), {"--server", address()});
    return cli::RunCommandLine(cli::MakeCollectionsCommand(), std::move(words));
  }
};

TEST_F(UpdateCommandTest, ChangesWhatIsGivenAndNothingElse) {
  Put("manuals", "pump", "about pumps");
  const v1::Collection before = Manuals().collection();
  const auto changed = Run({"manuals", "--retention", "720h", "--dense_recall", "0.95"});
  EXPECT_EQ(changed.exit, cli::kOk) << changed.err;
  EXPECT_THAT(changed.out, ::testing::HasSubstr("kept for 720h"));
  v1::Collection expected = before;
  expected.mutable_retention()->set_seconds(720 * 3600);
  expected.set_dense_recall(0.95);
  EXPECT_EQ(Manuals().collection().DebugString(), expected.DebugString());

  EXPECT_EQ(Run({"manuals", "--retention=0s", "--description="}).exit, cli::kOk);
  expected.clear_retention();
  expected.clear_description();
  EXPECT_EQ(Manuals().collection().DebugString(), expected.DebugString());
}

TEST_F(UpdateCommandTest, WhatCannotBeChangedIsSaidByName) {
  Put("manuals", "pump", "about pumps");
  const auto nothing = Run({"manuals"});
  EXPECT_EQ(nothing.exit, cli::kUsage);
  EXPECT_THAT(nothing.err, ::testing::HasSubstr("changes nothing"));
  EXPECT_EQ(Run({"manuals", "--dense_recall", "0.5"}).exit, cli::kUsage);
  EXPECT_EQ(Run({"nowhere", "--dense_recall", "0.9"}).exit, cli::kMissing);
}

}  // namespace
}  // namespace ragmesh::services
