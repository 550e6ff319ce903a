#include <ragmesh/vector_store/v1/vector_store.grpc.pb.h>

#include "absl/strings/str_cat.h"
#include "libs/clients/clients.h"
#include "libs/clients/stage_connection.h"
#include "libs/wire/filter_wire.h"
#include "libs/wire/vector_store_wire.h"

namespace ragmesh::clients {
namespace {

namespace v1 = ::ragmesh::vector_store::v1;

using Strings = std::vector<std::string>;

template <typename Request>
void SetLabels(const Strings& labels, Request* request) {
  *request->mutable_principal_labels() = {labels.begin(), labels.end()};
}

template <typename Repeated>
absl::StatusOr<std::vector<stages::StoredChunk>> ChunksFrom(const Repeated& in) {
  std::vector<stages::StoredChunk> chunks;
  const wire::Field root;
  for (int i = 0; i < in.size(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(stages::StoredChunk chunk,
                             wire::FromProto(in.Get(i), wire::Field(root, "chunks", i)));
    chunks.push_back(std::move(chunk));
  }
  return chunks;
}

class VectorStoreClient final : public stages::VectorStore, public stages::StoreAdmin {
 public:
  using Service = v1::VectorStoreService;
  explicit VectorStoreClient(StageConnection<Service> connection)
      : connection_(std::move(connection)) {}

  absl::StatusOr<stages::Collection> CreateCollection(const stages::CollectionConfig& config,
                                                      const CallContext& call) override {
    v1::CreateCollectionRequest request;
    wire::ToProto(config, request.mutable_config());
    RAGMESH_ASSIGN_OR_RETURN(
        const auto response,
        Call<v1::CreateCollectionResponse>(call, request, &Service::Stub::CreateCollection));
    return wire::FromProto(response.collection(), wire::Field());
  }

  absl::StatusOr<stages::Collection> UpdateCollection(const stages::CollectionConfig& config,
                                                      const CallContext& call) override {
    v1::UpdateCollectionRequest request;
    wire::ToProto(config, request.mutable_config());
    RAGMESH_ASSIGN_OR_RETURN(
        const auto response,
        Call<v1::UpdateCollectionResponse>(call, request, &Service::Stub::UpdateCollection));
    return wire::FromProto(response.collection(), wire::Field());
  }

  absl::StatusOr<stages::Collection> GetCollection(const stages::CollectionId& id,
                                                   const CallContext& call) override {
    v1::GetCollectionRequest request;
    wire::ToProto(id, request.mutable_collection());
    RAGMESH_ASSIGN_OR_RETURN(
        const auto response,
        Call<v1::GetCollectionResponse>(call, request, &Service::Stub::GetCollection));
    return wire::FromProto(response.collection(), wire::Field());
  }

  absl::StatusOr<std::vector<stages::Collection>> ListCollections(
      const std::string& tenant, const CallContext& call) override {
    v1::ListCollectionsRequest request;
    request.set_tenant(tenant);
    RAGMESH_ASSIGN_OR_RETURN(
        const auto response,
        Call<v1::ListCollectionsResponse>(call, request, &Service::Stub::ListCollections));
    std::vector<stages::Collection> collections;
    for (const auto& in : response.collections()) {
      RAGMESH_ASSIGN_OR_RETURN(stages::Collection collection, wire::FromProto(in, wire::Field()));
      collections.push_back(std::move(collection));
    }
    return collections;
  }

  absl::Status DeleteCollection(const stages::CollectionId& id, const CallContext& call) override {
    v1::DeleteCollectionRequest request;
    wire::ToProto(id, request.mutable_collection());
    return Call<v1::DeleteCollectionResponse>(call, request, &Service::Stub::DeleteCollection)
        .status();
  }

  absl::StatusOr<stages::UpsertResult> Write(const stages::CollectionId& id,
                                             const std::string& embedder_digest,
                                             stages::Upsert upsert,
                                             const CallContext& call) override {
    rpc::ClientCall client(call, connection_.channel);
    RAGMESH_RETURN_IF_ERROR(client.Check());
    const auto stream = connection_.stub->Upsert(client.context());
    // A failed write means that the server has made up its mind; its status says why.
    wire::ToProto(id, embedder_digest, upsert, [&](const v1::UpsertRequest& message) {
      return stream->Write(message) ? absl::OkStatus() : absl::CancelledError("the stream ended");
    }).IgnoreError();
    stream->WritesDone();
    v1::UpsertResponse response;
    const bool answered = stream->Read(&response);
    RAGMESH_RETURN_IF_ERROR(client.Finish(stream->Finish()));
    if (!answered)
      return absl::InternalError(
          absl::StrCat(connection_.channel.name, " did not answer an upsert"));
    return stages::UpsertResult{response.sequence(), response.document_version(),
                                response.chunks_written(), response.chunks_removed(),
                                response.replayed()};
  }

  absl::StatusOr<stages::DeleteResult> Delete(const stages::CollectionId& id,
                                              const stages::DeleteSelector& what,
                                              const CallContext& call) override {
    return DeleteOnce(id, what, "", call);
  }

  absl::StatusOr<stages::DeleteResult> DeleteOnce(const stages::CollectionId& id,
                                                  const stages::DeleteSelector& what,
                                                  const std::string& idempotency_key,
                                                  const CallContext& call) override {
    v1::DeleteRequest request;
    wire::ToProto(id, request.mutable_collection());
    wire::ToProto(what, &request);
    request.set_idempotency_key(idempotency_key);
    RAGMESH_ASSIGN_OR_RETURN(const auto response,
                             Call<v1::DeleteResponse>(call, request, &Service::Stub::Delete));
    return stages::DeleteResult{response.documents(), response.chunks(), response.sequence()};
  }

  absl::StatusOr<stages::StoredDocument> GetDocument(const stages::CollectionId& id,
                                                     const std::string& document_id,
                                                     const Strings& labels,
                                                     const CallContext& call) override {
    v1::GetDocumentRequest request;
    wire::ToProto(id, request.mutable_collection());
    request.set_document_id(document_id);
    SetLabels(labels, &request);
    RAGMESH_ASSIGN_OR_RETURN(const auto response, Call<v1::GetDocumentResponse>(
                                                      call, request, &Service::Stub::GetDocument));
    return wire::FromProto(response.document(), wire::Field());
  }

  absl::StatusOr<stages::DocumentPage> ListDocuments(const stages::CollectionId& id,
                                                     const std::optional<stages::Filter>& filter,
                                                     const Strings& labels,
                                                     const stages::Page& page,
                                                     const CallContext& call) override {
    v1::ListDocumentsRequest request;
    wire::ToProto(id, request.mutable_collection());
    if (filter.has_value()) wire::ToProto(*filter, request.mutable_filter());
    SetLabels(labels, &request);
    request.set_page_size(page.size);
    request.set_page_token(page.token);
    RAGMESH_ASSIGN_OR_RETURN(
        const auto response,
        Call<v1::ListDocumentsResponse>(call, request, &Service::Stub::ListDocuments));
    stages::DocumentPage out;
    for (const auto& in : response.documents()) {
      RAGMESH_ASSIGN_OR_RETURN(stages::StoredDocument document, wire::FromProto(in, wire::Field()));
      out.documents.push_back(std::move(document));
    }
    out.next_token = response.next_page_token();
    return out;
  }

  absl::StatusOr<std::vector<stages::StoredChunk>> GetChunks(const stages::CollectionId& id,
                                                             const Strings& chunk_ids,
                                                             const Strings& labels,
                                                             stages::ChunkParts parts,
                                                             const CallContext& call) override {
    v1::GetChunksRequest request;
    wire::ToProto(id, request.mutable_collection());
    *request.mutable_chunk_ids() = {chunk_ids.begin(), chunk_ids.end()};
    SetLabels(labels, &request);
    request.set_include_vectors(parts.vector);
    request.set_include_tokens(parts.tokens);
    RAGMESH_ASSIGN_OR_RETURN(const auto response,
                             Call<v1::GetChunksResponse>(call, request, &Service::Stub::GetChunks));
    return ChunksFrom(response.chunks());
  }

  absl::StatusOr<stages::ChunkPage> ListChunks(const stages::CollectionId& id,
                                               const std::string& document_id,
                                               const Strings& labels, stages::ChunkParts parts,
                                               const stages::Page& page,
                                               const CallContext& call) override {
    v1::ListChunksRequest request;
    wire::ToProto(id, request.mutable_collection());
    request.set_document_id(document_id);
    SetLabels(labels, &request);
    request.set_include_vectors(parts.vector);
    request.set_include_tokens(parts.tokens);
    request.set_page_size(page.size);
    request.set_page_token(page.token);
    RAGMESH_ASSIGN_OR_RETURN(const auto response, Call<v1::ListChunksResponse>(
                                                      call, request, &Service::Stub::ListChunks));
    stages::ChunkPage out;
    RAGMESH_ASSIGN_OR_RETURN(out.chunks, ChunksFrom(response.chunks()));
    out.next_token = response.next_page_token();
    return out;
  }

  absl::StatusOr<std::uint64_t> CountChunks(const stages::CollectionId& id,
                                            const std::optional<stages::Filter>& filter,
                                            const Strings& labels,
                                            const CallContext& call) override {
    v1::CountChunksRequest request;
    wire::ToProto(id, request.mutable_collection());
    if (filter.has_value()) wire::ToProto(*filter, request.mutable_filter());
    SetLabels(labels, &request);
    RAGMESH_ASSIGN_OR_RETURN(const auto response, Call<v1::CountChunksResponse>(
                                                      call, request, &Service::Stub::CountChunks));
    return response.count();
  }

  absl::StatusOr<stages::SearchResult> Search(const stages::SearchRequest& in,
                                              const CallContext& call) override {
    v1::SearchRequest request;
    wire::ToProto(in, &request);
    RAGMESH_ASSIGN_OR_RETURN(const auto response,
                             Call<v1::SearchResponse>(call, request, &Service::Stub::Search));
    return wire::FromProto(response, wire::Field());
  }

  absl::StatusOr<stages::Alias> SetAlias(const stages::AliasChange& change,
                                         const CallContext& call) override {
    v1::SetAliasRequest request;
    wire::ToProto(change, &request);
    RAGMESH_ASSIGN_OR_RETURN(const auto response,
                             Call<v1::SetAliasResponse>(call, request, &Service::Stub::SetAlias));
    return wire::FromProto(response.alias(), wire::Field());
  }

  absl::StatusOr<std::vector<stages::Alias>> ListAliases(const std::string& tenant,
                                                         const CallContext& call) override {
    v1::ListAliasesRequest request;
    request.set_tenant(tenant);
    RAGMESH_ASSIGN_OR_RETURN(const auto response, Call<v1::ListAliasesResponse>(
                                                      call, request, &Service::Stub::ListAliases));
    std::vector<stages::Alias> aliases;
    for (const auto& in : response.aliases()) {
      RAGMESH_ASSIGN_OR_RETURN(stages::Alias alias, wire::FromProto(in, wire::Field()));
      aliases.push_back(std::move(alias));
    }
    return aliases;
  }

  absl::Status DeleteAlias(const stages::CollectionId& alias,
                           const std::string& expected_collection,
                           const CallContext& call) override {
    v1::DeleteAliasRequest request;
    wire::ToProto(alias, request.mutable_alias());
    request.set_expected_collection(expected_collection);
    return Call<v1::DeleteAliasResponse>(call, request, &Service::Stub::DeleteAlias).status();
  }

  absl::StatusOr<stages::CollectionChanges> ListChanges(const stages::CollectionId& id,
                                                        std::optional<std::uint64_t> after,
                                                        absl::Duration hold,
                                                        const CallContext& call) override {
    v1::ListChangesRequest request;
    if (hold > absl::ZeroDuration()) {
      const std::int64_t seconds = absl::IDivDuration(hold, absl::Seconds(1), &hold);
      request.mutable_hold_writes()->set_seconds(seconds);
      request.mutable_hold_writes()->set_nanos(
          static_cast<std::int32_t>(absl::ToInt64Nanoseconds(hold)));
    }
    wire::ToProto(id, request.mutable_collection());
    if (after.has_value()) request.set_after_sequence(*after);
    RAGMESH_ASSIGN_OR_RETURN(const auto response, Call<v1::ListChangesResponse>(
                                                      call, request, &Service::Stub::ListChanges));
    return stages::CollectionChanges{
        response.sequence(), {response.document_ids().begin(), response.document_ids().end()}};
  }

  stages::StoreAdmin* admin() override { return this; }

  absl::StatusOr<stages::StoreSnapshot> CreateSnapshot(const std::string& name,
                                                       const CallContext& call) override {
    v1::CreateSnapshotRequest request;
    request.set_name(name);
    RAGMESH_ASSIGN_OR_RETURN(
        const auto response,
        Call<v1::CreateSnapshotResponse>(call, request, &Service::Stub::CreateSnapshot));
    return wire::FromProto(response.snapshot());
  }

  absl::StatusOr<std::vector<stages::StoreSnapshot>> ListSnapshots(
      const CallContext& call) override {
    RAGMESH_ASSIGN_OR_RETURN(const auto response,
                             Call<v1::ListSnapshotsResponse>(call, v1::ListSnapshotsRequest(),
                                                             &Service::Stub::ListSnapshots));
    std::vector<stages::StoreSnapshot> snapshots;
    for (const auto& in : response.snapshots()) snapshots.push_back(wire::FromProto(in));
    return snapshots;
  }

  absl::Status ExportCollection(const stages::CollectionId& id, stages::ArchiveSink sink,
                                const CallContext& call) override {
    rpc::ClientCall client(call, connection_.channel);
    RAGMESH_RETURN_IF_ERROR(client.Check());
    v1::ExportCollectionRequest request;
    wire::ToProto(id, request.mutable_collection());
    const auto stream = connection_.stub->ExportCollection(client.context(), request);
    v1::ExportCollectionResponse response;
    absl::Status taken;
    while (taken.ok() && stream->Read(&response)) {
      const std::string& data = response.data();
      taken = sink({{data.data(), data.size()}, response.done(), response.total()});
    }
    if (!taken.ok()) client.context()->TryCancel();
    const absl::Status finished = client.Finish(stream->Finish());
    return taken.ok() ? finished : taken;
  }

  absl::StatusOr<stages::Collection> ImportCollection(const stages::CollectionId& id,
                                                      const std::string& manifest_sha256,
                                                      stages::ArchiveSource source,
                                                      const CallContext& call) override {
    rpc::ClientCall client(call, connection_.channel);
    RAGMESH_RETURN_IF_ERROR(client.Check());
    v1::ImportCollectionResponse response;
    const auto stream = connection_.stub->ImportCollection(client.context(), &response);
    v1::ImportCollectionRequest message;
    wire::ToProto(id, message.mutable_header()->mutable_collection());
    message.mutable_header()->set_manifest_sha256(manifest_sha256);
    absl::Status given;
    // A failed write means that the server has made up its mind; its status says why.
    while (stream->Write(message)) {
      auto next = source();
      given = next.status();
      if (!given.ok()) client.context()->TryCancel();
      if (!given.ok() || next->empty()) break;
      message.set_data(*std::move(next));
    }
    stream->WritesDone();
    const absl::Status finished = client.Finish(stream->Finish());
    RAGMESH_RETURN_IF_ERROR(given);
    RAGMESH_RETURN_IF_ERROR(finished);
    return wire::FromProto(response.collection(), wire::Field());
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    return connection_.Info<v1::InfoRequest, v1::InfoResponse>(call);
  }

 private:
  template <typename Response, typename Request>
  absl::StatusOr<Response> Call(const CallContext& call, const Request& request,
                                grpc::Status (Service::Stub::*method)(grpc::ClientContext*,
                                                                      const Request&, Response*)) {
    Response response;
    Service::Stub& stub = *connection_.stub;
    RAGMESH_RETURN_IF_ERROR(rpc::Unary(
        call, connection_.channel,
        [&](grpc::ClientContext* context) { return (stub.*method)(context, request, &response); }));
    return response;
  }

  const StageConnection<Service> connection_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<stages::VectorStore>> ConnectVectorStore(const Peer& peer) {
  RAGMESH_ASSIGN_OR_RETURN(auto connection,
                           StageConnection<v1::VectorStoreService>::Open(
                               peer, "vector-store",
                               {"UpdateCollection", "GetCollection", "ListCollections", "Delete",
                                "GetDocument", "ListDocuments", "GetChunks", "ListChunks",
                                "CountChunks", "Search", "ListAliases", "ListChanges", "Info"}));
  return std::make_unique<VectorStoreClient>(std::move(connection));
}

}  // namespace ragmesh::clients
