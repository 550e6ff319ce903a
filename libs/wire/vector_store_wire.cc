#include "libs/wire/vector_store_wire.h"

#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/filter_wire.h"
#include "libs/wire/search_wire.h"

namespace ragmesh::wire {
namespace {

constexpr std::size_t kMaxIdBytes = 512;
constexpr std::size_t kMaxIdempotencyKeyBytes = 128;
constexpr std::size_t kMaxNameBytes = 4096;
constexpr std::size_t kMaxTextBytes = 64 << 20;
constexpr std::size_t kMaxDimension = 4096;
constexpr std::size_t kMaxLabelBytes = 128;
constexpr std::size_t kMaxDocumentLabels = 64;
constexpr std::size_t kMaxPrincipalLabels = 1000;
constexpr std::size_t kMaxDeleteIds = 10'000;
constexpr std::size_t kMaxQueryBytes = 4096;
constexpr double kMaxRetentionSeconds = 100.0 * 366 * 24 * 3600;

void StatsTo(const stages::CollectionStats& stats, store::CollectionStats* out) {
  out->set_documents(stats.documents);
  out->set_chunks(stats.chunks);
  out->set_terms(stats.terms);
  out->set_text_bytes(stats.text_bytes);
  out->set_disk_bytes(stats.disk_bytes);
  out->set_memory_bytes(stats.memory_bytes);
  out->set_sequence(stats.sequence);
}

template <typename Repeated>
std::vector<std::string> Strings(const Repeated& repeated) {
  return {repeated.begin(), repeated.end()};
}

}  // namespace

absl::Status CheckId(const std::string& id, const Field& field) {
  return CheckBytes(id, 1, kMaxIdBytes, field);
}

absl::Status CheckIdempotencyKey(const std::string& key, const Field& field) {
  return CheckBytes(key, 0, kMaxIdempotencyKeyBytes, field);
}

absl::Status CheckIds(const google::protobuf::RepeatedPtrField<std::string>& ids, std::size_t max,
                      const Field& field) {
  RAGMESH_RETURN_IF_ERROR(CheckCount(ids.size(), 1, max, "ids", field));
  for (int i = 0; i < ids.size(); ++i)
    RAGMESH_RETURN_IF_ERROR(CheckId(ids.Get(i), Field(field, "", i)));
  return absl::OkStatus();
}

absl::Status CheckLabels(const google::protobuf::RepeatedPtrField<std::string>& labels,
                         std::size_t max, const Field& field) {
  RAGMESH_RETURN_IF_ERROR(CheckCount(labels.size(), 0, max, "labels", field));
  for (int i = 0; i < labels.size(); ++i) {
    RAGMESH_RETURN_IF_ERROR(CheckBytes(labels.Get(i), 1, kMaxLabelBytes, Field(field, "", i)));
  }
  return absl::OkStatus();
}

absl::StatusOr<stages::Page> PageFrom(std::uint32_t size, const std::string& token,
                                      const Field& field) {
  RAGMESH_RETURN_IF_ERROR(CheckRange(size, 0, 1000, Field(field, "page_size")));
  RAGMESH_RETURN_IF_ERROR(CheckBytes(token, 0, 4096, Field(field, "page_token")));
  return stages::Page{.size = size == 0 ? 100 : size, .token = token};
}

absl::StatusOr<double> DenseRecallFrom(double recall, const Field& field) {
  RAGMESH_RETURN_IF_ERROR(CheckRange(recall, 0.8, 1, field));
  return recall;
}

absl::StatusOr<absl::Duration> RetentionFrom(const google::protobuf::Duration& retention,
                                             const Field& field) {
  RAGMESH_RETURN_IF_ERROR(
      CheckRange(static_cast<double>(retention.seconds()), 0, kMaxRetentionSeconds, field));
  if (retention.nanos() != 0) return field.Invalid("is not whole seconds", "Give seconds only.");
  return absl::Seconds(retention.seconds());
}

void ToProto(const stages::CollectionId& id, store::CollectionRef* out) {
  out->set_tenant(id.tenant);
  out->set_name(id.name);
}

absl::StatusOr<stages::CollectionId> FromProto(bool present, const store::CollectionRef& ref,
                                               const Field& field) {
  RAGMESH_RETURN_IF_ERROR(Required(present, field));
  stages::CollectionId id;
  if (!ref.tenant().empty()) {
    RAGMESH_RETURN_IF_ERROR(CheckName(ref.tenant(), /*underscore=*/false, Field(field, "tenant")));
    id.tenant = ref.tenant();
  }
  RAGMESH_RETURN_IF_ERROR(CheckName(ref.name(), /*underscore=*/true, Field(field, "name")));
  id.name = ref.name();
  return id;
}

void ToProto(const stages::CollectionConfig& config, store::CollectionConfig* out) {
  ToProto(config.id, out->mutable_ref());
  out->set_description(config.description);
  out->set_embedder_model(config.embedder_model);
  out->set_embedder_digest(config.embedder_digest);
  out->set_dimension(config.dimension);
  out->set_language(config.language);
  ToProto(config.fusion, out->mutable_fusion());
  ToProto(config.rerank, out->mutable_rerank());
  out->set_bm25_k1(config.bm25_k1);
  out->set_bm25_b(config.bm25_b);
  ToProto(config.lexical_weights, out->mutable_lexical_weights());
  out->set_dense_recall(config.dense_recall);
  if (config.retention > absl::ZeroDuration())
    out->mutable_retention()->set_seconds(absl::ToInt64Seconds(config.retention));
}

absl::StatusOr<stages::CollectionConfig> FromProto(const store::CollectionConfig& in,
                                                   const Field& field) {
  stages::CollectionConfig config;
  RAGMESH_ASSIGN_OR_RETURN(config.id, FromProto(in.has_ref(), in.ref(), Field(field, "ref")));
  RAGMESH_RETURN_IF_ERROR(
      CheckBytes(in.description(), 0, kMaxNameBytes, Field(field, "description")));
  RAGMESH_RETURN_IF_ERROR(
      CheckBytes(in.embedder_model(), 0, kMaxLabelBytes, Field(field, "embedder_model")));
  RAGMESH_RETURN_IF_ERROR(CheckDigest(in.embedder_digest(), Field(field, "embedder_digest")));
  const Field dimension(field, "dimension");
  if (in.embedder_digest().empty() && in.dimension() != 0) {
    return dimension.Invalid("is set without embedder_digest",
                             "Set both, or neither for a lexical-only collection.");
  }
  if (!in.embedder_digest().empty())
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.dimension(), 1, kMaxDimension, dimension));
  RAGMESH_RETURN_IF_ERROR(CheckBytes(in.language(), 0, 8, Field(field, "language")));
  config.description = in.description();
  config.embedder_model = in.embedder_model();
  config.embedder_digest = in.embedder_digest();
  config.dimension = in.dimension();
  if (!in.language().empty()) config.language = in.language();
  if (in.has_fusion()) {
    RAGMESH_ASSIGN_OR_RETURN(config.fusion, FromProto(in.fusion(), Field(field, "fusion")));
  }
  if (in.has_rerank()) {
    RAGMESH_ASSIGN_OR_RETURN(config.rerank, FromProto(in.rerank(), Field(field, "rerank")));
  }
  if (in.has_bm25_k1()) {
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.bm25_k1(), 0, 10, Field(field, "bm25_k1")));
    config.bm25_k1 = in.bm25_k1();
  }
  if (in.has_bm25_b()) {
    RAGMESH_RETURN_IF_ERROR(CheckRange(in.bm25_b(), 0, 1, Field(field, "bm25_b")));
    config.bm25_b = in.bm25_b();
  }
  if (in.has_lexical_weights()) {
    RAGMESH_ASSIGN_OR_RETURN(config.lexical_weights,
                             FromProto(in.lexical_weights(), Field(field, "lexical_weights")));
  }
  if (in.has_dense_recall()) {
    RAGMESH_ASSIGN_OR_RETURN(config.dense_recall,
                             DenseRecallFrom(in.dense_recall(), Field(field, "dense_recall")));
  }
  if (in.has_retention()) {
    RAGMESH_ASSIGN_OR_RETURN(config.retention,
                             RetentionFrom(in.retention(), Field(field, "retention")));
  }
  return config;
}

void ToProto(const stages::Collection& collection, store::Collection* out) {
  ToProto(collection.config, out->mutable_config());
  ToProto(collection.created, out->mutable_created());
  StatsTo(collection.stats, out->mutable_stats());
}

absl::StatusOr<stages::Collection> FromProto(const store::Collection& in, const Field& field) {
  stages::Collection collection;
  RAGMESH_ASSIGN_OR_RETURN(collection.config, FromProto(in.config(), Field(field, "config")));
  collection.created = FromProto(in.created());
  const auto& stats = in.stats();
  collection.stats = {stats.documents(),  stats.chunks(),       stats.terms(),   stats.text_bytes(),
                      stats.disk_bytes(), stats.memory_bytes(), stats.sequence()};
  return collection;
}

void ToProto(const stages::StoreSnapshot& snapshot, store::Snapshot* out) {
  out->set_name(snapshot.name);
  ToProto(snapshot.created, out->mutable_created());
  out->set_size_bytes(snapshot.size_bytes);
  out->set_sequence(snapshot.sequence);
  out->set_path(snapshot.path);
  out->set_collections(snapshot.collections);
  out->set_manifest_sha256(snapshot.sha256);
}

stages::StoreSnapshot FromProto(const store::Snapshot& in) {
  return {.name = in.name(),
          .path = in.path(),
          .created = FromProto(in.created()),
          .size_bytes = in.size_bytes(),
          .sequence = in.sequence(),
          .collections = in.collections(),
          .sha256 = in.manifest_sha256()};
}

void ToProto(const stages::StoredDocument& document, store::Document* out) {
  out->set_id(document.id);
  out->set_version(document.version);
  out->set_name(document.name);
  out->set_uri(document.uri);
  ToProto(document.info, out->mutable_info());
  out->set_text(document.text);
  ToProto(document.metadata, out->mutable_metadata());
  *out->mutable_acl_labels() = {document.acl_labels.begin(), document.acl_labels.end()};
  ToProto(document.updated, out->mutable_updated());
  if (document.expires.has_value()) ToProto(*document.expires, out->mutable_expires_at());
}

absl::StatusOr<stages::StoredDocument> FromProto(const store::Document& in, const Field& field) {
  stages::StoredDocument document;
  RAGMESH_RETURN_IF_ERROR(CheckId(in.id(), Field(field, "id")));
  RAGMESH_RETURN_IF_ERROR(CheckBytes(in.name(), 0, kMaxNameBytes, Field(field, "name")));
  RAGMESH_RETURN_IF_ERROR(CheckBytes(in.uri(), 0, kMaxNameBytes, Field(field, "uri")));
  RAGMESH_RETURN_IF_ERROR(CheckBytes(in.text(), 0, kMaxTextBytes, Field(field, "text")));
  RAGMESH_RETURN_IF_ERROR(
      CheckLabels(in.acl_labels(), kMaxDocumentLabels, Field(field, "acl_labels")));
  RAGMESH_ASSIGN_OR_RETURN(document.metadata, FromProto(in.metadata(), Field(field, "metadata")));
  document.id = in.id();
  document.version = in.version();
  document.name = in.name();
  document.uri = in.uri();
  document.info = FromProto(in.info());
  document.text = in.text();
  document.acl_labels = Strings(in.acl_labels());
  document.updated = FromProto(in.updated());
  if (in.has_expires_at()) document.expires = FromProto(in.expires_at());
  return document;
}

void ToProto(const stages::StoredChunk& chunk, store::StoredChunk* out) {
  out->set_id(chunk.id);
  out->set_document_id(chunk.document_id);
  out->set_document_version(chunk.document_version);
  out->set_document_name(chunk.document_name);
  out->set_content_sha256(chunk.content_sha256);
  ToProto(chunk.chunk, out->mutable_chunk());
  *out->mutable_vector() = {chunk.vector.begin(), chunk.vector.end()};
  if (!chunk.tokens.empty()) ToProto(chunk.tokens, out->mutable_tokens());
}

absl::StatusOr<stages::StoredChunk> FromProto(const store::StoredChunk& in, const Field& field) {
  stages::StoredChunk chunk;
  RAGMESH_RETURN_IF_ERROR(CheckId(in.id(), Field(field, "id")));
  RAGMESH_RETURN_IF_ERROR(CheckId(in.document_id(), Field(field, "document_id")));
  RAGMESH_RETURN_IF_ERROR(CheckDigest(in.content_sha256(), Field(field, "content_sha256")));
  RAGMESH_RETURN_IF_ERROR(Required(in.has_chunk(), Field(field, "chunk")));
  RAGMESH_ASSIGN_OR_RETURN(chunk.chunk, FromProto(in.chunk(), Field(field, "chunk")));
  RAGMESH_RETURN_IF_ERROR(
      CheckCount(in.vector_size(), 0, kMaxDimension, "numbers", Field(field, "vector")));
  chunk.id = in.id();
  chunk.document_id = in.document_id();
  chunk.document_version = in.document_version();
  chunk.document_name = in.document_name();
  chunk.content_sha256 = in.content_sha256();
  chunk.vector.assign(in.vector().begin(), in.vector().end());
  RAGMESH_RETURN_IF_ERROR(CheckTokens(in.tokens(), Field(field, "tokens")));
  chunk.tokens = FromProto(in.tokens());
  return chunk;
}

void ToProto(const stages::DeleteSelector& what, store::DeleteRequest* out) {
  if (const auto* chunks = std::get_if<stages::ChunkIds>(&what)) {
    *out->mutable_chunk_ids()->mutable_ids() = {chunks->ids.begin(), chunks->ids.end()};
  } else if (const auto* documents = std::get_if<stages::DocumentIds>(&what)) {
    *out->mutable_document_ids()->mutable_ids() = {documents->ids.begin(), documents->ids.end()};
  } else {
    ToProto(std::get<stages::Filter>(what), out->mutable_filter());
  }
}

absl::StatusOr<stages::DeleteSelector> FromProto(const store::DeleteRequest& in,
                                                 const Field& field) {
  switch (in.what_case()) {
    case store::DeleteRequest::kChunkIds: {
      const Field at(field, "chunk_ids");
      RAGMESH_RETURN_IF_ERROR(CheckIds(in.chunk_ids().ids(), kMaxDeleteIds, Field(at, "ids")));
      return stages::DeleteSelector(stages::ChunkIds{Strings(in.chunk_ids().ids())});
    }
    case store::DeleteRequest::kDocumentIds: {
      const Field at(field, "document_ids");
      RAGMESH_RETURN_IF_ERROR(CheckIds(in.document_ids().ids(), kMaxDeleteIds, Field(at, "ids")));
      return stages::DeleteSelector(stages::DocumentIds{Strings(in.document_ids().ids())});
    }
    case store::DeleteRequest::kFilter: {
      RAGMESH_ASSIGN_OR_RETURN(stages::Filter filter,
                               FromProto(in.filter(), Field(field, "filter")));
      return stages::DeleteSelector(std::move(filter));
    }
    case store::DeleteRequest::WHAT_NOT_SET:
      break;
  }
  return Field(field, "what").Invalid("is required", "Set chunk_ids, document_ids or filter.");
}

void ToProto(const stages::SearchRequest& request, store::SearchRequest* out) {
  ToProto(request.collection, out->mutable_collection());
  out->set_mode(ToProto(request.mode));
  out->set_query_text(request.query_text);
  *out->mutable_query_vector() = {request.query_vector.begin(), request.query_vector.end()};
  out->set_embedder_digest(request.embedder_digest);
  out->set_top_k(request.top_k);
  if (request.fusion.has_value()) ToProto(*request.fusion, out->mutable_fusion());
  if (request.query_syntax == stages::QuerySyntax::kOperators)
    out->set_query_syntax(common::QUERY_SYNTAX_OPERATORS);
  if (request.lexical_weights.has_value())
    ToProto(*request.lexical_weights, out->mutable_lexical_weights());
  if (request.filter.has_value()) ToProto(*request.filter, out->mutable_filter());
  *out->mutable_principal_labels() = {request.principal_labels.begin(),
                                      request.principal_labels.end()};
  out->set_include_vectors(request.parts.vector);
  out->set_include_tokens(request.parts.tokens);
  if (request.bm25.has_value()) ToProto(*request.bm25, out->mutable_bm25());
  if (request.diversity.has_value()) ToProto(*request.diversity, out->mutable_diversity());
  out->set_max_per_document(request.max_per_document);
  if (request.neighbours.before + request.neighbours.after > 0)
    ToProto(request.neighbours, out->mutable_neighbours());
  out->set_explain(request.explain);
}

absl::StatusOr<stages::SearchRequest> FromProto(const store::SearchRequest& in,
                                                const Field& field) {
  stages::SearchRequest request;
  RAGMESH_ASSIGN_OR_RETURN(request.collection, FromProto(in.has_collection(), in.collection(),
                                                         Field(field, "collection")));
  RAGMESH_ASSIGN_OR_RETURN(request.mode, FromProto(in.mode(), Field(field, "mode")));
  const bool lexical = request.mode != stages::SearchMode::kDense,
             dense = request.mode != stages::SearchMode::kLexical;
  RAGMESH_RETURN_IF_ERROR(
      CheckBytes(in.query_text(), lexical ? 1 : 0, kMaxQueryBytes, Field(field, "query_text")));
  const Field vector(field, "query_vector");
  RAGMESH_RETURN_IF_ERROR(
      CheckCount(in.query_vector_size(), dense ? 1 : 0, kMaxDimension, "numbers", vector));
  for (int i = 0; i < in.query_vector_size(); ++i) {
    RAGMESH_RETURN_IF_ERROR(CheckFinite(in.query_vector(i), Field(field, "query_vector", i)));
  }
  RAGMESH_RETURN_IF_ERROR(CheckDigest(in.embedder_digest(), Field(field, "embedder_digest")));
  RAGMESH_RETURN_IF_ERROR(CheckRange(in.top_k(), 0, 10'000, Field(field, "top_k")));
  RAGMESH_RETURN_IF_ERROR(
      CheckLabels(in.principal_labels(), kMaxPrincipalLabels, Field(field, "principal_labels")));
  if (in.has_fusion()) {
    RAGMESH_ASSIGN_OR_RETURN(request.fusion, FromProto(in.fusion(), Field(field, "fusion")));
  }
  if (in.has_filter()) {
    RAGMESH_ASSIGN_OR_RETURN(request.filter, FromProto(in.filter(), Field(field, "filter")));
  }
  RAGMESH_ASSIGN_OR_RETURN(request.query_syntax,
                           FromProto(in.query_syntax(), Field(field, "query_syntax")));
  if (in.has_lexical_weights()) {
    RAGMESH_ASSIGN_OR_RETURN(request.lexical_weights,
                             FromProto(in.lexical_weights(), Field(field, "lexical_weights")));
  }
  if (in.has_bm25()) {
    RAGMESH_ASSIGN_OR_RETURN(request.bm25, FromProto(in.bm25(), Field(field, "bm25")));
  }
  if (in.has_diversity()) {
    RAGMESH_ASSIGN_OR_RETURN(request.diversity,
                             FromProto(in.diversity(), Field(field, "diversity")));
  }
  RAGMESH_RETURN_IF_ERROR(
      CheckRange(in.max_per_document(), 0, 10'000, Field(field, "max_per_document")));
  RAGMESH_ASSIGN_OR_RETURN(request.neighbours,
                           FromProto(in.neighbours(), Field(field, "neighbours")));
  request.max_per_document = in.max_per_document();
  request.explain = in.explain();
  request.query_text = in.query_text();
  request.query_vector.assign(in.query_vector().begin(), in.query_vector().end());
  request.embedder_digest = in.embedder_digest();
  if (in.top_k() != 0) request.top_k = in.top_k();
  request.principal_labels = Strings(in.principal_labels());
  request.parts = {.vector = in.include_vectors(), .tokens = in.include_tokens()};
  return request;
}

void ToProto(const stages::SearchHit& hit, store::SearchHit* out) {
  ToProto(hit.chunk, out->mutable_chunk());
  out->set_score(hit.score);
  auto* scores = out->mutable_scores();
  if (hit.dense_score.has_value()) scores->set_dense(*hit.dense_score);
  if (hit.lexical_score.has_value()) scores->set_lexical(*hit.lexical_score);
  if (hit.dense_rank.has_value()) scores->set_dense_rank(*hit.dense_rank);
  if (hit.lexical_rank.has_value()) scores->set_lexical_rank(*hit.lexical_rank);
  if (hit.fused_score.has_value()) scores->set_fused(*hit.fused_score);
  if (hit.explanation.has_value()) ToProto(*hit.explanation, out->mutable_explanation());
  for (const stages::Neighbour& neighbour : hit.neighbours) {
    auto* to = out->add_neighbours();
    ToProto(neighbour.chunk, to->mutable_chunk());
    to->set_position(neighbour.position);
  }
  out->set_position(hit.position);
  out->set_run(hit.run);
}

absl::StatusOr<stages::SearchHit> FromProto(const store::SearchHit& in, const Field& field) {
  stages::SearchHit hit;
  RAGMESH_ASSIGN_OR_RETURN(hit.chunk, FromProto(in.chunk(), Field(field, "chunk")));
  hit.score = in.score();
  if (in.scores().has_dense()) hit.dense_score = in.scores().dense();
  if (in.scores().has_lexical()) hit.lexical_score = in.scores().lexical();
  if (in.scores().has_dense_rank()) hit.dense_rank = in.scores().dense_rank();
  if (in.scores().has_lexical_rank()) hit.lexical_rank = in.scores().lexical_rank();
  if (in.scores().has_fused()) hit.fused_score = in.scores().fused();
  if (in.has_explanation()) hit.explanation = FromProto(in.explanation());
  for (int i = 0; i < in.neighbours_size(); ++i) {
    const Field at(field, "neighbours", i);
    RAGMESH_ASSIGN_OR_RETURN(stages::StoredChunk chunk,
                             FromProto(in.neighbours(i).chunk(), Field(at, "chunk")));
    hit.neighbours.push_back({std::move(chunk), in.neighbours(i).position()});
  }
  hit.position = in.position();
  hit.run = in.run();
  return hit;
}

void ToProto(const stages::SearchResult& result, store::SearchResponse* out) {
  for (const stages::SearchHit& hit : result.hits) ToProto(hit, out->add_hits());
  out->set_sequence(result.sequence);
  out->set_candidates(result.candidates);
  out->set_prefix_cut(result.prefix_cut);
  if (result.explanation.has_value()) ToProto(*result.explanation, out->mutable_explanation());
}

absl::StatusOr<stages::SearchResult> FromProto(const store::SearchResponse& in,
                                               const Field& field) {
  stages::SearchResult result;
  for (int i = 0; i < in.hits_size(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(stages::SearchHit hit, FromProto(in.hits(i), Field(field, "hits", i)));
    result.hits.push_back(std::move(hit));
  }
  result.sequence = in.sequence();
  result.candidates = in.candidates();
  result.prefix_cut = in.prefix_cut();
  if (in.has_explanation()) {
    RAGMESH_ASSIGN_OR_RETURN(result.explanation,
                             FromProto(in.explanation(), Field(field, "explanation")));
  }
  return result;
}

}  // namespace ragmesh::wire
