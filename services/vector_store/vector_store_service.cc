#include "services/vector_store/vector_store_service.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/run_stream.h"
#include "libs/rpc/run_unary.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/filter_wire.h"
#include "libs/wire/vector_store_wire.h"

namespace ragmesh::services {

namespace v1 = ::ragmesh::vector_store::v1;
namespace {

constexpr std::size_t kMaxLabels = 1000;
constexpr std::size_t kMaxGetIds = 1000;

template <typename Request>
absl::StatusOr<stages::CollectionId> CollectionOf(const Request& request) {
  const wire::Field root;
  return wire::FromProto(request.has_collection(), request.collection(),
                         wire::Field(root, "collection"));
}

template <typename Request>
absl::StatusOr<std::vector<std::string>> LabelsOf(const Request& request) {
  const wire::Field root;
  const auto& labels = request.principal_labels();
  RAGMESH_RETURN_IF_ERROR(
      wire::CheckLabels(labels, kMaxLabels, wire::Field(root, "principal_labels")));
  return std::vector<std::string>(labels.begin(), labels.end());
}

template <typename Request>
stages::ChunkParts PartsOf(const Request& request) {
  return {.vector = request.include_vectors(), .tokens = request.include_tokens()};
}

template <typename Request>
absl::StatusOr<std::optional<stages::Filter>> FilterOf(const Request& request) {
  if (!request.has_filter()) return std::nullopt;
  const wire::Field root;
  RAGMESH_ASSIGN_OR_RETURN(stages::Filter filter,
                           wire::FromProto(request.filter(), wire::Field(root, "filter")));
  return std::optional<stages::Filter>(std::move(filter));
}

template <typename Request>
absl::StatusOr<stages::CollectionConfig> ConfigOf(const Request& request) {
  const wire::Field root, field(root, "config");
  RAGMESH_RETURN_IF_ERROR(wire::Required(request.has_config(), field));
  return wire::FromProto(request.config(), field);
}

}  // namespace

grpc::ServerUnaryReactor* VectorStoreService::CreateCollection(
    grpc::CallbackServerContext* context, const v1::CreateCollectionRequest* request,
    v1::CreateCollectionResponse* response) {
  return rpc::RunUnary(
      runtime_, "CreateCollection", context, [=, this](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionConfig config, ConfigOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const stages::Collection made,
                                 store->CreateCollection(config, call));
        wire::ToProto(made, response->mutable_collection());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::UpdateCollection(
    grpc::CallbackServerContext* context, const v1::UpdateCollectionRequest* request,
    v1::UpdateCollectionResponse* response) {
  return rpc::RunUnary(
      runtime_, "UpdateCollection", context, [=, this](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionConfig config, ConfigOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const stages::Collection changed,
                                 store->UpdateCollection(config, call));
        wire::ToProto(changed, response->mutable_collection());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::GetCollection(grpc::CallbackServerContext* context,
                                                            const v1::GetCollectionRequest* request,
                                                            v1::GetCollectionResponse* response) {
  return rpc::RunUnary(
      runtime_, "GetCollection", context, [=, this](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const stages::Collection found, store->GetCollection(id, call));
        wire::ToProto(found, response->mutable_collection());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::ListCollections(
    grpc::CallbackServerContext* context, const v1::ListCollectionsRequest* request,
    v1::ListCollectionsResponse* response) {
  return rpc::RunUnary(
      runtime_, "ListCollections", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        const std::string tenant = request->tenant().empty() ? "default" : request->tenant();
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckName(tenant, /*underscore=*/false, wire::Field(root, "tenant")));
        RAGMESH_ASSIGN_OR_RETURN(const auto collections, store->ListCollections(tenant, call));
        for (const stages::Collection& collection : collections)
          wire::ToProto(collection, response->add_collections());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::DeleteCollection(
    grpc::CallbackServerContext* context, const v1::DeleteCollectionRequest* request,
    v1::DeleteCollectionResponse* response) {
  return rpc::RunUnary(
      runtime_, "DeleteCollection", context, [=, this](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        (void)response;  // has no fields
        RAGMESH_RETURN_IF_ERROR(store->DeleteCollection(id, call));
        return absl::OkStatus();
      });
}

grpc::ServerBidiReactor<v1::UpsertRequest, v1::UpsertResponse>* VectorStoreService::Upsert(
    grpc::CallbackServerContext* context) {
  return rpc::RunBidi<v1::UpsertRequest, v1::UpsertResponse>(
      runtime_, "Upsert", context,
      [this](auto& reader, auto& writer, const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        wire::UpsertReader upserts;
        while (true) {
          RAGMESH_ASSIGN_OR_RETURN(const std::optional<v1::UpsertRequest> message, reader.Read());
          if (!message.has_value()) break;
          RAGMESH_ASSIGN_OR_RETURN(const bool complete, upserts.Add(*message));
          if (!complete) continue;
          wire::UpsertReader::Complete write = upserts.Take();
          RAGMESH_ASSIGN_OR_RETURN(
              const stages::UpsertResult result,
              store->Write(write.collection, write.embedder_digest, std::move(write.upsert), call));
          v1::UpsertResponse response;
          response.set_sequence(result.sequence);
          response.set_document_version(result.document_version);
          response.set_chunks_written(result.chunks_written);
          response.set_chunks_removed(result.chunks_removed);
          response.set_replayed(result.replayed);
          RAGMESH_RETURN_IF_ERROR(writer.Write(std::move(response)));
        }
        if (upserts.incomplete()) {
          return InvalidField("commit",
                              "is missing at the end of the last upsert, which was dropped",
                              "Set commit in the last message of each upsert.");
        }
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::Delete(grpc::CallbackServerContext* context,
                                                     const v1::DeleteRequest* request,
                                                     v1::DeleteResponse* response) {
  return rpc::RunUnary(
      runtime_, "Delete", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const stages::DeleteSelector what,
                                 wire::FromProto(*request, root));
        const std::string& key = request->idempotency_key();
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckIdempotencyKey(key, wire::Field(root, "idempotency_key")));
        RAGMESH_ASSIGN_OR_RETURN(
            const stages::DeleteResult result,
            key.empty() ? store->Delete(id, what, call) : store->DeleteOnce(id, what, key, call));
        response->set_documents(result.documents);
        response->set_chunks(result.chunks);
        response->set_sequence(result.sequence);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::GetDocument(grpc::CallbackServerContext* context,
                                                          const v1::GetDocumentRequest* request,
                                                          v1::GetDocumentResponse* response) {
  return rpc::RunUnary(
      runtime_, "GetDocument", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckId(request->document_id(), wire::Field(root, "document_id")));
        RAGMESH_ASSIGN_OR_RETURN(const auto labels, LabelsOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const stages::StoredDocument document,
                                 store->GetDocument(id, request->document_id(), labels, call));
        wire::ToProto(document, response->mutable_document());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::ListDocuments(grpc::CallbackServerContext* context,
                                                            const v1::ListDocumentsRequest* request,
                                                            v1::ListDocumentsResponse* response) {
  return rpc::RunUnary(
      runtime_, "ListDocuments", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const auto filter, FilterOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const auto labels, LabelsOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const stages::Page page,
                                 wire::PageFrom(request->page_size(), request->page_token(), root));
        RAGMESH_ASSIGN_OR_RETURN(const stages::DocumentPage found,
                                 store->ListDocuments(id, filter, labels, page, call));
        for (const stages::StoredDocument& document : found.documents)
          wire::ToProto(document, response->add_documents());
        response->set_next_page_token(found.next_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::GetChunks(grpc::CallbackServerContext* context,
                                                        const v1::GetChunksRequest* request,
                                                        v1::GetChunksResponse* response) {
  return rpc::RunUnary(
      runtime_, "GetChunks", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        const auto& ids = request->chunk_ids();
        RAGMESH_RETURN_IF_ERROR(wire::CheckIds(ids, kMaxGetIds, wire::Field(root, "chunk_ids")));
        RAGMESH_ASSIGN_OR_RETURN(const auto labels, LabelsOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(
            const auto chunks,
            store->GetChunks(id, {ids.begin(), ids.end()}, labels, PartsOf(*request), call));
        for (const stages::StoredChunk& chunk : chunks)
          wire::ToProto(chunk, response->add_chunks());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::ListChunks(grpc::CallbackServerContext* context,
                                                         const v1::ListChunksRequest* request,
                                                         v1::ListChunksResponse* response) {
  return rpc::RunUnary(
      runtime_, "ListChunks", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        if (!request->document_id().empty()) {
          RAGMESH_RETURN_IF_ERROR(
              wire::CheckId(request->document_id(), wire::Field(root, "document_id")));
        }
        RAGMESH_ASSIGN_OR_RETURN(const auto labels, LabelsOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const stages::Page page,
                                 wire::PageFrom(request->page_size(), request->page_token(), root));
        RAGMESH_ASSIGN_OR_RETURN(
            const stages::ChunkPage found,
            store->ListChunks(id, request->document_id(), labels, PartsOf(*request), page, call));
        for (const stages::StoredChunk& chunk : found.chunks)
          wire::ToProto(chunk, response->add_chunks());
        response->set_next_page_token(found.next_token);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::CountChunks(grpc::CallbackServerContext* context,
                                                          const v1::CountChunksRequest* request,
                                                          v1::CountChunksResponse* response) {
  return rpc::RunUnary(
      runtime_, "CountChunks", context, [=, this](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const auto filter, FilterOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const auto labels, LabelsOf(*request));
        RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t count,
                                 store->CountChunks(id, filter, labels, call));
        response->set_count(count);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::Search(grpc::CallbackServerContext* context,
                                                     const v1::SearchRequest* request,
                                                     v1::SearchResponse* response) {
  return rpc::RunUnary(
      runtime_, "Search", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::SearchRequest in, wire::FromProto(*request, root));
        RAGMESH_ASSIGN_OR_RETURN(const stages::SearchResult found, store->Search(in, call));
        wire::ToProto(found, response);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::SetAlias(grpc::CallbackServerContext* context,
                                                       const v1::SetAliasRequest* request,
                                                       v1::SetAliasResponse* response) {
  return rpc::RunUnary(
      runtime_, "SetAlias", context, [=, this](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::AliasChange change,
                                 wire::FromProto(*request, wire::Field()));
        RAGMESH_ASSIGN_OR_RETURN(const stages::Alias alias, store->SetAlias(change, call));
        wire::ToProto(alias, response->mutable_alias());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::ListAliases(grpc::CallbackServerContext* context,
                                                          const v1::ListAliasesRequest* request,
                                                          v1::ListAliasesResponse* response) {
  return rpc::RunUnary(
      runtime_, "ListAliases", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        const std::string tenant = request->tenant().empty() ? "default" : request->tenant();
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckName(tenant, /*underscore=*/false, wire::Field(root, "tenant")));
        RAGMESH_ASSIGN_OR_RETURN(const auto aliases, store->ListAliases(tenant, call));
        for (const stages::Alias& alias : aliases) wire::ToProto(alias, response->add_aliases());
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::DeleteAlias(grpc::CallbackServerContext* context,
                                                          const v1::DeleteAliasRequest* request,
                                                          v1::DeleteAliasResponse* response) {
  return rpc::RunUnary(
      runtime_, "DeleteAlias", context, [=, this](const CallContext& call) -> absl::Status {
        const wire::Field root;
        (void)response;  // has no fields
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(
            const stages::CollectionId alias,
            wire::FromProto(request->has_alias(), request->alias(), wire::Field(root, "alias")));
        RAGMESH_RETURN_IF_ERROR(wire::CheckName(request->expected_collection(),
                                                /*underscore=*/true,
                                                wire::Field(root, "expected_collection")));
        return store->DeleteAlias(alias, request->expected_collection(), call);
      });
}

grpc::ServerUnaryReactor* VectorStoreService::ListChanges(grpc::CallbackServerContext* context,
                                                          const v1::ListChangesRequest* request,
                                                          v1::ListChangesResponse* response) {
  return rpc::RunUnary(
      runtime_, "ListChanges", context, [=, this](const CallContext& call) -> absl::Status {
        RAGMESH_ASSIGN_OR_RETURN(const auto store, slot_.Get());
        RAGMESH_ASSIGN_OR_RETURN(const stages::CollectionId id, CollectionOf(*request));
        std::optional<std::uint64_t> after;
        if (request->has_after_sequence()) after = request->after_sequence();
        // Seconds beyond the store's limit are refused there, negative ones hold nothing.
        const absl::Duration hold = absl::Seconds(request->hold_writes().seconds()) +
                                    absl::Nanoseconds(request->hold_writes().nanos());
        RAGMESH_ASSIGN_OR_RETURN(const auto changes, store->ListChanges(id, after, hold, call));
        response->set_sequence(changes.sequence);
        *response->mutable_document_ids() = {changes.document_ids.begin(),
                                             changes.document_ids.end()};
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* VectorStoreService::Info(grpc::CallbackServerContext* context,
                                                   const v1::InfoRequest*,
                                                   v1::InfoResponse* response) {
  return rpc::RunUnary(runtime_, "Info", context,
                       [=, this](const CallContext& call) -> absl::Status {
                         RAGMESH_ASSIGN_OR_RETURN(const stages::StageInfo info, slot_.Info(call));
                         wire::ToProto(info, response->mutable_info());
                         return absl::OkStatus();
                       });
}

}  // namespace ragmesh::services
