// Collections, documents and the state of stages.
#include "services/gateway/gateway_convert.h"

#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/search_wire.h"
#include "libs/wire/vector_store_wire.h"
#include "services/gateway/convert_parts.h"

namespace ragmesh::services {

using wire::Field;

void ToProto(const stages::Collection& collection, gateway_v1::Collection* out) {
  out->set_name(collection.config.id.name);
  out->set_description(collection.config.description);
  out->set_embedder_model(collection.config.embedder_model);
  out->set_embedder_digest(collection.config.embedder_digest);
  out->set_dimension(collection.config.dimension);
  out->set_language(collection.config.language);
  wire::ToProto(collection.config.fusion, out->mutable_fusion());
  wire::ToProto(collection.config.rerank, out->mutable_rerank());
  wire::ToProto(stages::Bm25{collection.config.bm25_k1, collection.config.bm25_b},
                out->mutable_bm25());
  wire::ToProto(collection.config.lexical_weights, out->mutable_lexical_weights());
  out->set_dense_recall(collection.config.dense_recall);
  wire::ToProto(collection.created, out->mutable_created());
  out->set_documents(collection.stats.documents);
  out->set_chunks(collection.stats.chunks);
  out->set_text_bytes(collection.stats.text_bytes);
  if (collection.config.retention > absl::ZeroDuration())
    out->mutable_retention()->set_seconds(absl::ToInt64Seconds(collection.config.retention));
}

absl::StatusOr<pipeline::NewCollection> FromProto(
    const gateway_v1::CreateCollectionRequest& request) {
  pipeline::NewCollection collection;
  collection.name = request.name();
  collection.description = request.description();
  if (!request.language().empty()) {
    const Field root;
    RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(request.language(), 2, 8, Field(root, "language")));
    collection.language = request.language();
  }
  RAGMESH_RETURN_IF_ERROR(
      Take(request.has_fusion(), request.fusion(), "fusion", &collection.fusion));
  RAGMESH_RETURN_IF_ERROR(
      Take(request.has_rerank(), request.rerank(), "rerank", &collection.rerank));
  collection.lexical_only = request.lexical_only();
  RAGMESH_RETURN_IF_ERROR(Take(request.has_lexical_weights(), request.lexical_weights(),
                               "lexical_weights", &collection.lexical_weights));
  if (request.has_dense_recall()) {
    const Field root;
    RAGMESH_ASSIGN_OR_RETURN(
        collection.dense_recall,
        wire::DenseRecallFrom(request.dense_recall(), Field(root, "dense_recall")));
  }
  if (request.has_retention()) {
    const Field root;
    RAGMESH_ASSIGN_OR_RETURN(collection.retention,
                             wire::RetentionFrom(request.retention(), Field(root, "retention")));
  }
  return collection;
}

absl::StatusOr<pipeline::CollectionChange> FromProto(
    const gateway_v1::UpdateCollectionRequest& request) {
  pipeline::CollectionChange change;
  change.name = request.collection();
  if (request.has_description()) change.description = request.description();
  RAGMESH_RETURN_IF_ERROR(Take(request.has_fusion(), request.fusion(), "fusion", &change.fusion));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_rerank(), request.rerank(), "rerank", &change.rerank));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_bm25(), request.bm25(), "bm25", &change.bm25));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_lexical_weights(), request.lexical_weights(),
                               "lexical_weights", &change.lexical_weights));
  if (request.has_dense_recall()) {
    const Field root;
    RAGMESH_ASSIGN_OR_RETURN(
        change.dense_recall,
        wire::DenseRecallFrom(request.dense_recall(), Field(root, "dense_recall")));
  }
  if (request.has_retention()) {
    const Field root;
    RAGMESH_ASSIGN_OR_RETURN(change.retention,
                             wire::RetentionFrom(request.retention(), Field(root, "retention")));
  }
  return change;
}

void ToProto(const stages::StoredDocument& document, gateway_v1::Document* out) {
  out->set_id(document.id);
  out->set_version(document.version);
  out->set_name(document.name);
  out->set_uri(document.uri);
  wire::ToProto(document.info, out->mutable_info());
  out->set_text(document.text);
  wire::ToProto(document.metadata, out->mutable_metadata());
  for (const std::string& label : document.acl_labels) out->add_acl_labels(label);
  wire::ToProto(document.updated, out->mutable_updated());
}

void ToProto(const pipeline::StageStatus& status, gateway_v1::StageStatus* out) {
  wire::ToProto(status.info, out->mutable_info());
  out->set_address(status.address);
  out->set_reachable(status.reachable);
  PutDuration(status.latency, out->mutable_latency());
  out->set_error(status.error);
}

}  // namespace ragmesh::services
