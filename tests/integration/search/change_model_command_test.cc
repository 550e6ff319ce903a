// `ragmesh collections change-model`, `rollback` and `finish` against a gateway and a vector store
// on real servers.
#include <nlohmann/json.hpp>

#include "tests/integration/search/command_line.h"
#include "tests/integration/search/search_mesh.h"

namespace ragmesh::services {
namespace {

namespace v1 = ::ragmesh::gateway::v1;
using ::testing::HasSubstr;
using ::testing::Not;

class ChangeModelCommandTest : public SearchMesh {
 protected:
  void SetUp() override {
    SearchMesh::SetUp();
    Put("manuals", "pump", "the pump needs oil\n\nonce a year");
    Put("manuals", "valve", "the valve is closed by hand");
  }

  cli::Printed Run(std::vector<std::string> words) {
    words.insert(words.begin(), "collections");
    words.insert(words.end(), {"--server", address(), "--quiet"});
    return cli::RunCommandLine(cli::MakeCollectionsCommand(), std::move(words));
  }

  std::vector<std::string> Dense(const std::string& query) {
    v1::SearchRequest request;
    request.set_collection("manuals");
    request.set_query(query);
    request.set_mode(common::v1::SEARCH_MODE_DENSE);
    request.set_skip_rerank(true);
    const auto found = Search(request);
    EXPECT_TRUE(found.ok()) << found.status();
    std::vector<std::string> documents;
    for (const auto& passage : found->passages()) documents.push_back(passage.document_id());
    return documents;
  }
};

TEST_F(ChangeModelCommandTest, ChangesGoesBackAndFinishes) {
  const cli::Printed changed = Run({"change-model", "manuals", "--embedder", "next"});
  ASSERT_EQ(changed.exit, cli::kOk) << changed.err;
  EXPECT_THAT(changed.out, HasSubstr("\"manuals\" is searched with next now: 3 chunks embedded"));
  EXPECT_EQ(Manuals().collection().name(), "manuals");
  EXPECT_EQ(Manuals().collection().embedder_model(), "next");
  EXPECT_EQ(Manuals().collection().dimension(), 96u);
  EXPECT_TRUE(Manuals().can_roll_back());
  EXPECT_EQ(Manuals().previous_embedder_model(), "fake");
  EXPECT_THAT(Run({"show", "manuals"}).out, HasSubstr("Kept to go back to: fake"));
  EXPECT_EQ(Dense("valve hand").front(), "valve");

  Put("manuals", "late", "the late motor hums");
  const cli::Printed back = Run({"rollback", "manuals", "--json"});
  ASSERT_EQ(back.exit, cli::kOk) << back.err;
  const auto job = nlohmann::json::parse(back.out);
  EXPECT_EQ(job["modelChange"]["embedderModel"], "fake");
  EXPECT_EQ(job["documentsUnchanged"], 2);
  EXPECT_EQ(Manuals().collection().embedder_model(), "fake");
  EXPECT_EQ(Dense("late motor").front(), "late");

  EXPECT_THAT(Run({"list"}).out, Not(HasSubstr("manuals_m")));
  EXPECT_THAT(Run({"finish", "manuals"}).out, HasSubstr("Deleted what was kept"));
  EXPECT_THAT(Run({"finish", "manuals"}).out, HasSubstr("Nothing is kept"));
  const cli::Printed gone = Run({"rollback", "manuals"});
  EXPECT_EQ(gone.exit, cli::kRefused);
  EXPECT_THAT(gone.err, HasSubstr("NO_PREVIOUS_MODEL"));
}

TEST_F(ChangeModelCommandTest, SaysWhyItFailedAndThatNothingChanged) {
  EXPECT_THAT(Run({"change-model", "manuals", "--embedder", "unknown"}).err,
              HasSubstr("EMBEDDER_NOT_SERVED"));
  next_embedder_.fault.Set([](const CallContext&) {
    return MakeError(absl::StatusCode::kInternal, "broken weights",
                     {.reason = "BROKEN", .next_step = "Mend them."});
  });
  const cli::Printed failed = Run({"change-model", "manuals"});
  EXPECT_EQ(failed.exit, cli::kInternalError);
  EXPECT_THAT(failed.err, HasSubstr("broken weights"));
  EXPECT_THAT(failed.err, HasSubstr("Mend them."));
  EXPECT_EQ(Manuals().collection().embedder_model(), "fake");
  EXPECT_FALSE(Manuals().can_roll_back());
  next_embedder_.fault.Clear();
  EXPECT_EQ(Run({"change-model", "manuals", "--detach"}).exit, cli::kOk);
}

// The vectors of questions that a client asks for are of the collection's embedder.
TEST_F(ChangeModelCommandTest, EmbedsForACollection) {
  ASSERT_EQ(Run({"change-model", "manuals"}).exit, cli::kOk);
  v1::EmbedRequest request;
  request.add_texts("oil");
  request.set_collection("manuals");
  v1::EmbedResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->Embed(&context, request, &response).ok());
  }
  EXPECT_EQ(response.embedder_digest(), next_embedder_.digest);
  EXPECT_EQ(response.embeddings(0).values_size(), 96);
  request.clear_collection();
  grpc::ClientContext context;
  ASSERT_TRUE(stub_->Embed(&context, request, &response).ok());
  EXPECT_EQ(response.model(), "fake");
}

// Through the vector store's own contract.
TEST_F(ChangeModelCommandTest, AliasesCrossTheWire) {
  const CallContext call(absl::Now() + absl::Seconds(30));
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto alias, store_->SetAlias({.name = "manuals",
                                                             .collection = "own",
                                                             .expected_collection = "",
                                                             .expected_sequence = std::nullopt,
                                                             .rename_to = "own"},
                                                            call));
  EXPECT_EQ(alias.collection, "own");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto aliases, store_->ListAliases("default", call));
  ASSERT_EQ(aliases.size(), 1u);
  EXPECT_EQ(aliases[0].changed, alias.changed);
  RAGMESH_ASSERT_OK_AND_ASSIGN(auto changes,
                               store_->ListChanges({"default", "own"}, std::nullopt, {}, call));
  Put("manuals", "late", "the late motor hums");
  RAGMESH_ASSERT_OK_AND_ASSIGN(changes, store_->ListChanges({"default", "own"}, changes.sequence,
                                                            absl::Milliseconds(1500), call));
  EXPECT_EQ(changes.document_ids, std::vector<std::string>{"late"});
  const auto moved = store_->SetAlias({.name = "manuals",
                                       .collection = "own",
                                       .expected_collection = "other",
                                       .expected_sequence = 1,
                                       .rename_to = ""},
                                      call);
  EXPECT_THAT(moved, testing::HasReason("ALIAS_MOVED"));
  EXPECT_THAT(store_->ListChanges({"default", "own"}, changes.sequence, absl::Seconds(11), call),
              testing::HasReason("LIMIT_EXCEEDED"));
  RAGMESH_ASSERT_OK(store_->DeleteAlias({"default", "manuals"}, "own", call));
  EXPECT_THAT(store_->DeleteAlias({"default", "manuals"}, "own", call),
              testing::HasReason("ALIAS_NOT_FOUND"));
}

}  // namespace
}  // namespace ragmesh::services
