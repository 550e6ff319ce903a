// Snapshots and archives over the vector-store contract, against a real store.
#include "absl/strings/str_cat.h"
#include "libs/backup/collection_archive.h"
#include "libs/backup/snapshot_folder.h"
#include "tests/integration/search/search_mesh.h"

namespace ragmesh::services {
namespace {

using ::ragmesh::testing::HasReason;

class StoreAdminOverGrpcTest : public SearchMesh {
 protected:
  absl::StatusOr<std::string> Export(const std::string& name) {
    std::string bytes;
    const absl::Status status = store_->admin()->ExportCollection(
        {"default", name},
        [&](const stages::ArchivePiece& piece) {
          EXPECT_LE(piece.done, piece.total);
          absl::StrAppend(&bytes, piece.bytes);
          return absl::OkStatus();
        },
        call_);
    if (!status.ok()) return status;
    return bytes + backup::SignatureFrame("", nullptr);
  }
  absl::StatusOr<stages::Collection> Import(const std::string& bytes,
                                            const std::string& sha256 = "") {
    std::size_t at = 0;
    return store_->admin()->ImportCollection(
        {"default", "copy"}, sha256,
        [&]() -> absl::StatusOr<std::string> {
          std::string next = bytes.substr(std::min(at, bytes.size()), 500);
          at += next.size();
          return next;
        },
        call_);
  }

  const CallContext call_{absl::Now() + absl::Seconds(60)};
};

TEST_F(StoreAdminOverGrpcTest, ASnapshotIsTakenNamedAndListed) {
  Put("manuals", "pump.txt", "The pump leaks.\n\nThe seal is old.");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto taken, store_->admin()->CreateSnapshot("one", call_));
  EXPECT_EQ(taken.name, "one");
  EXPECT_GT(taken.size_bytes, 0u);
  EXPECT_GT(taken.sequence, 0u);
  EXPECT_EQ(taken.collections, 1u);
  RAGMESH_EXPECT_OK(backup::VerifySnapshot(
      taken.path, [](std::uint64_t) {}, call_));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found, store_->admin()->ListSnapshots(call_));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].path, taken.path);
  EXPECT_EQ(found[0].sha256, taken.sha256);
  EXPECT_EQ(found[0].created, taken.created);
  EXPECT_THAT(store_->admin()->CreateSnapshot("one", call_), HasReason("SNAPSHOT_EXISTS"));
  EXPECT_THAT(store_->admin()->CreateSnapshot("a/b", call_), HasReason("INVALID_FIELD"));
}

TEST_F(StoreAdminOverGrpcTest, ACollectionGoesAndComes) {
  for (int i = 0; i < 20; ++i)
    Put("manuals", absl::StrCat("doc-", i), absl::StrCat("Pump number ", i, ".\n\nIts seal."));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const std::string bytes, Export("manuals"));
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto made, Import(bytes));
  EXPECT_EQ(made.config.id.name, "copy");
  EXPECT_EQ(made.stats.documents, 20u);
  RAGMESH_ASSERT_OK_AND_ASSIGN(const auto original,
                               store_->GetCollection({"default", "manuals"}, call_));
  EXPECT_EQ(made.stats.chunks, original.stats.chunks);
  EXPECT_EQ(made.stats.sequence, original.stats.sequence);
}

TEST_F(StoreAdminOverGrpcTest, RefusalsArriveTyped) {
  Put("manuals", "pump.txt", "The pump leaks.");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const std::string bytes, Export("manuals"));
  EXPECT_THAT(Export("absent"), HasReason("COLLECTION_NOT_FOUND"));
  EXPECT_THAT(Import(bytes.substr(0, bytes.size() / 2)), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(Import(bytes, std::string(64, 'a')), HasReason("CORRUPT_DATA"));
  EXPECT_THAT(Import(bytes, "short"), HasReason("INVALID_FIELD"));
  EXPECT_THAT(store_->GetCollection({"default", "copy"}, call_), HasReason("COLLECTION_NOT_FOUND"));
  RAGMESH_ASSERT_OK(Import(bytes));
  EXPECT_THAT(Import(bytes), HasReason("COLLECTION_EXISTS"));
}

TEST_F(StoreAdminOverGrpcTest, WhoeverStopsInTheMiddleLeavesNothing) {
  Put("manuals", "pump.txt", "The pump leaks.");
  RAGMESH_ASSERT_OK_AND_ASSIGN(const std::string bytes, Export("manuals"));
  int pieces = 0;
  const auto made = store_->admin()->ImportCollection(
      {"default", "copy"}, "",
      [&]() -> absl::StatusOr<std::string> {
        if (pieces++ == 1) return absl::DataLossError("the disk went");
        return bytes.substr(0, 100);
      },
      call_);
  EXPECT_EQ(made.status().code(), absl::StatusCode::kDataLoss);
  const absl::Status stopped = store_->admin()->ExportCollection(
      {"default", "manuals"},
      [](const stages::ArchivePiece&) { return absl::ResourceExhaustedError("no space"); }, call_);
  EXPECT_EQ(stopped.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(store_->GetCollection({"default", "copy"}, call_), HasReason("COLLECTION_NOT_FOUND"));
}

TEST_F(StoreAdminOverGrpcTest, RetentionTravelsThroughBothContracts) {
  gateway::v1::CreateCollectionRequest request;
  request.set_name("short");
  request.set_lexical_only(true);
  request.mutable_retention()->set_seconds(3600);
  gateway::v1::CreateCollectionResponse response;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->CreateCollection(&context, request, &response).ok());
  }
  EXPECT_EQ(response.collection().retention().seconds(), 3600);
  gateway::v1::UpdateCollectionRequest update;
  update.set_collection("short");
  update.mutable_retention()->set_seconds(0);
  gateway::v1::UpdateCollectionResponse updated;
  {
    grpc::ClientContext context;
    ASSERT_TRUE(stub_->UpdateCollection(&context, update, &updated).ok());
  }
  EXPECT_FALSE(updated.collection().has_retention());
  request.set_name("bad");
  for (const std::int64_t seconds : {-1ll, 1ll << 40}) {
    request.mutable_retention()->set_seconds(seconds);
    grpc::ClientContext context;
    EXPECT_THAT(rpc::FromGrpcStatus(stub_->CreateCollection(&context, request, &response)),
                HasReason("INVALID_FIELD"));
  }
}

}  // namespace
}  // namespace ragmesh::services
