// The calls of VectorStoreService for whoever runs the store.
#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_stream.h"
#include "libs/rpc/run_unary.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/vector_store_wire.h"
#include "services/vector_store/vector_store_service.h"

namespace ragmesh::services {

namespace v1 = ::ragmesh::vector_store::v1;
namespace {

constexpr std::size_t kMaxDataBytes = 4 << 20;  // of one message of an import
constexpr std::size_t kPieceBytes = 1 << 20;    // of one message of an export

absl::StatusOr<stages::StoreAdmin*> AdminOf(stages::VectorStore& store) {
  if (store.admin() != nullptr) return store.admin();
  return MakeError(absl::StatusCode::kUnimplemented, "another database keeps this store's data",
                   {.reason = "NO_STORE_ADMIN", .next_step = "Use that database's own backups."});
}

// Gathers the pieces of an archive into messages of some size.
class Messages {
 public:
  explicit Messages(rpc::ResponseWriter<v1::ExportCollectionResponse>& writer) : writer_(writer) {}
  absl::Status Add(const stages::ArchivePiece& piece) {
    next_.mutable_data()->append(piece.bytes.data(), piece.bytes.size());
    next_.set_done(piece.done);
    next_.set_total(piece.total);
    return next_.data().size() >= kPieceBytes ? Send() : absl::OkStatus();
  }
  absl::Status Send() {
    if (next_.data().empty()) return absl::OkStatus();
    return writer_.Write(std::exchange(next_, {}));
  }

 private:
  rpc::ResponseWriter<v1::ExportCollectionResponse>& writer_;
  v1::ExportCollectionResponse next_;
};

}  // namespace

grpc::ServerUnaryReactor* VectorStoreService::CreateSnapshot(
    grpc::CallbackServerContext* context, const v1::CreateSnapshotRequest* request,
    v1::CreateSnapshotResponse* response) {
  return rpc::RunUnary(
      runtime_, "CreateSnapshot", context, [=, this](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(stages::StoreAdmin* const admin, AdminOf(*store));
        RAGMESH_ASSIGN_OR_RETURN(const auto taken, admin->CreateSnapshot(request->name(), call));
        wire::ToProto(taken, response->mutable_snapshot());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::ListSnapshots(grpc::CallbackServerContext* context,
                                                            const v1::ListSnapshotsRequest*,
                                                            v1::ListSnapshotsResponse* response) {
  return rpc::RunUnary(runtime_, "ListSnapshots", context,
                       [=, this](const CallContext& call) -> absl::Status {
                         RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
                         RAGMESH_ASSIGN_OR_RETURN(stages::StoreAdmin* const admin, AdminOf(*store));
                         RAGMESH_ASSIGN_OR_RETURN(const auto found, admin->ListSnapshots(call));
                         for (const stages::StoreSnapshot& snapshot : found)
                           wire::ToProto(snapshot, response->add_snapshots());
                         return absl::OkStatus();
                       });
}

grpc::ServerUnaryReactor* VectorStoreService::RestoreSnapshot(grpc::CallbackServerContext* context,
                                                              const v1::RestoreSnapshotRequest*,
                                                              v1::RestoreSnapshotResponse*) {
  return rpc::RunUnary(
      runtime_, "RestoreSnapshot", context, [](const CallContext&) -> absl::Status {
        return MakeError(absl::StatusCode::kUnimplemented,
                         "a store is not replaced while it serves",
                         {.reason = "RESTORE_WHILE_STOPPED",
                          .next_step = "Stop it, move its folder away, and run: ragmesh store "
                                       "restore SNAPSHOT --data_dir=FOLDER"});
      });
}

grpc::ServerWriteReactor<v1::ExportCollectionResponse>* VectorStoreService::ExportCollection(
    grpc::CallbackServerContext* context, const v1::ExportCollectionRequest* request) {
  return rpc::RunServerStream<v1::ExportCollectionResponse>(
      runtime_, "ExportCollection", context,
      [=, this](rpc::ResponseWriter<v1::ExportCollectionResponse>& writer,
                const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(stages::StoreAdmin* const admin, AdminOf(*store));
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id,
                                 wire::FromProto(request->has_collection(), request->collection(),
                                                 wire::Field(root, "collection")));
        Messages messages(writer);
        RAGMESH_RETURN_IF_ERROR(admin->ExportCollection(
            id, [&](const stages::ArchivePiece& piece) { return messages.Add(piece); }, call));
        return messages.Send();
      });
}

grpc::ServerReadReactor<v1::ImportCollectionRequest>* VectorStoreService::ImportCollection(
    grpc::CallbackServerContext* context, v1::ImportCollectionResponse* response) {
  return rpc::RunClientStream<v1::ImportCollectionRequest>(
      runtime_, "ImportCollection", context,
      [=, this](rpc::RequestReader<v1::ImportCollectionRequest>& reader,
                const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(stages::StoreAdmin* const admin, AdminOf(*store));
        RAGMESH_ASSIGN_OR_RETURN(const auto first, reader.Read());
        if (!first.has_value() || !first->has_header())
          return InvalidField("header", "must come first");
        const v1::ImportHeader& header = first->header();
        const wire::Field root, field(root, "header");
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id,
                                 wire::FromProto(header.has_collection(), header.collection(),
                                                 wire::Field(field, "collection")));
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckDigest(header.manifest_sha256(), wire::Field(field, "manifest_sha256")));
        const auto next = [&]() -> absl::StatusOr<std::string> {
          while (true) {
            RAGMESH_ASSIGN_OR_RETURN(auto message, reader.Read());
            if (!message.has_value()) return std::string();
            if (!message->has_data()) return InvalidField("header", "must come once");
            if (message->data().size() > kMaxDataBytes)
              return InvalidField("data", "must have at most 4 MiB a message");
            if (!message->data().empty()) return std::move(*message->mutable_data());
          }
        };
        RAGMESH_ASSIGN_OR_RETURN(const stages::Collection made,
                                 admin->ImportCollection(id, header.manifest_sha256(), next, call));
        wire::ToProto(made, response->mutable_collection());
        return absl::OkStatus();
      });
}

}  // namespace ragmesh::services
