// The vector-store stage over gRPC: converts, calls the core, converts back.
#ifndef RAGMESH_SERVICES_VECTOR_STORE_VECTOR_STORE_SERVICE_H_
#define RAGMESH_SERVICES_VECTOR_STORE_VECTOR_STORE_SERVICE_H_

#include <ragmesh/vector_store/v1/vector_store.grpc.pb.h>

#include "libs/rpc/server_runtime.h"
#include "libs/stages/vector_store.h"
#include "services/common/stage_slot.h"

namespace ragmesh::services {

// Thread-safe. `runtime` and `slot` are borrowed and outlive the server this is registered with.
class VectorStoreService final : public vector_store::v1::VectorStoreService::CallbackService {
 public:
  VectorStoreService(rpc::ServerRuntime& runtime, const StageSlot<stages::VectorStore>& slot)
      : runtime_(runtime), slot_(slot) {}

  grpc::ServerUnaryReactor* CreateCollection(
      grpc::CallbackServerContext* context,
      const vector_store::v1::CreateCollectionRequest* request,
      vector_store::v1::CreateCollectionResponse* response) override;
  grpc::ServerUnaryReactor* UpdateCollection(
      grpc::CallbackServerContext* context,
      const vector_store::v1::UpdateCollectionRequest* request,
      vector_store::v1::UpdateCollectionResponse* response) override;
  grpc::ServerUnaryReactor* GetCollection(
      grpc::CallbackServerContext* context, const vector_store::v1::GetCollectionRequest* request,
      vector_store::v1::GetCollectionResponse* response) override;
  grpc::ServerUnaryReactor* ListCollections(
      grpc::CallbackServerContext* context, const vector_store::v1::ListCollectionsRequest* request,
      vector_store::v1::ListCollectionsResponse* response) override;
  grpc::ServerUnaryReactor* DeleteCollection(
      grpc::CallbackServerContext* context,
      const vector_store::v1::DeleteCollectionRequest* request,
      vector_store::v1::DeleteCollectionResponse* response) override;
  grpc::ServerBidiReactor<vector_store::v1::UpsertRequest, vector_store::v1::UpsertResponse>*
  Upsert(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* Delete(grpc::CallbackServerContext* context,
                                   const vector_store::v1::DeleteRequest* request,
                                   vector_store::v1::DeleteResponse* response) override;
  grpc::ServerUnaryReactor* GetDocument(grpc::CallbackServerContext* context,
                                        const vector_store::v1::GetDocumentRequest* request,
                                        vector_store::v1::GetDocumentResponse* response) override;
  grpc::ServerUnaryReactor* ListDocuments(
      grpc::CallbackServerContext* context, const vector_store::v1::ListDocumentsRequest* request,
      vector_store::v1::ListDocumentsResponse* response) override;
  grpc::ServerUnaryReactor* GetChunks(grpc::CallbackServerContext* context,
                                      const vector_store::v1::GetChunksRequest* request,
                                      vector_store::v1::GetChunksResponse* response) override;
  grpc::ServerUnaryReactor* ListChunks(grpc::CallbackServerContext* context,
                                       const vector_store::v1::ListChunksRequest* request,
                                       vector_store::v1::ListChunksResponse* response) override;
  grpc::ServerUnaryReactor* CountChunks(grpc::CallbackServerContext* context,
                                        const vector_store::v1::CountChunksRequest* request,
                                        vector_store::v1::CountChunksResponse* response) override;
  grpc::ServerUnaryReactor* Search(grpc::CallbackServerContext* context,
                                   const vector_store::v1::SearchRequest* request,
                                   vector_store::v1::SearchResponse* response) override;
  grpc::ServerUnaryReactor* SetAlias(grpc::CallbackServerContext* context,
                                     const vector_store::v1::SetAliasRequest* request,
                                     vector_store::v1::SetAliasResponse* response) override;
  grpc::ServerUnaryReactor* ListAliases(grpc::CallbackServerContext* context,
                                        const vector_store::v1::ListAliasesRequest* request,
                                        vector_store::v1::ListAliasesResponse* response) override;
  grpc::ServerUnaryReactor* DeleteAlias(grpc::CallbackServerContext* context,
                                        const vector_store::v1::DeleteAliasRequest* request,
                                        vector_store::v1::DeleteAliasResponse* response) override;
  grpc::ServerUnaryReactor* ListChanges(grpc::CallbackServerContext* context,
                                        const vector_store::v1::ListChangesRequest* request,
                                        vector_store::v1::ListChangesResponse* response) override;
  // For whoever runs the store: store_admin_calls.cc.
  grpc::ServerUnaryReactor* CreateSnapshot(
      grpc::CallbackServerContext* context, const vector_store::v1::CreateSnapshotRequest* request,
      vector_store::v1::CreateSnapshotResponse* response) override;
  grpc::ServerUnaryReactor* ListSnapshots(
      grpc::CallbackServerContext* context, const vector_store::v1::ListSnapshotsRequest* request,
      vector_store::v1::ListSnapshotsResponse* response) override;
  grpc::ServerUnaryReactor* RestoreSnapshot(
      grpc::CallbackServerContext* context, const vector_store::v1::RestoreSnapshotRequest* request,
      vector_store::v1::RestoreSnapshotResponse* response) override;
  grpc::ServerWriteReactor<vector_store::v1::ExportCollectionResponse>* ExportCollection(
      grpc::CallbackServerContext* context,
      const vector_store::v1::ExportCollectionRequest* request) override;
  grpc::ServerReadReactor<vector_store::v1::ImportCollectionRequest>* ImportCollection(
      grpc::CallbackServerContext* context,
      vector_store::v1::ImportCollectionResponse* response) override;
  grpc::ServerUnaryReactor* Info(grpc::CallbackServerContext* context,
                                 const vector_store::v1::InfoRequest* request,
                                 vector_store::v1::InfoResponse* response) override;

 private:
  rpc::ServerRuntime& runtime_;
  const StageSlot<stages::VectorStore>& slot_;
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_VECTOR_STORE_VECTOR_STORE_SERVICE_H_
