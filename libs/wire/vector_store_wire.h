// ragmesh.vector_store.v1 <-> libs/stages/vector_store.h.
#ifndef RAGMESH_LIBS_WIRE_VECTOR_STORE_WIRE_H_
#define RAGMESH_LIBS_WIRE_VECTOR_STORE_WIRE_H_

#include <ragmesh/vector_store/v1/vector_store.pb.h>

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "libs/stages/vector_store.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

namespace store = ::ragmesh::vector_store::v1;

void ToProto(const stages::CollectionId& id, store::CollectionRef* out);
// `present`: whether the message was set at all.
absl::StatusOr<stages::CollectionId> FromProto(bool present, const store::CollectionRef& ref,
                                               const Field& field);

void ToProto(const stages::CollectionConfig& config, store::CollectionConfig* out);
absl::StatusOr<stages::CollectionConfig> FromProto(const store::CollectionConfig& config,
                                                   const Field& field);

void ToProto(const stages::Collection& collection, store::Collection* out);
absl::StatusOr<stages::Collection> FromProto(const store::Collection& collection,
                                             const Field& field);

void ToProto(const stages::StoreSnapshot& snapshot, store::Snapshot* out);
stages::StoreSnapshot FromProto(const store::Snapshot& snapshot);

void ToProto(const stages::StoredDocument& document, store::Document* out);
absl::StatusOr<stages::StoredDocument> FromProto(const store::Document& document,
                                                 const Field& field);

void ToProto(const stages::StoredChunk& chunk, store::StoredChunk* out);
absl::StatusOr<stages::StoredChunk> FromProto(const store::StoredChunk& chunk, const Field& field);

void ToProto(const stages::Alias& alias, store::Alias* out);
absl::StatusOr<stages::Alias> FromProto(const store::Alias& alias, const Field& field);
void ToProto(const stages::AliasChange& change, store::SetAliasRequest* out);
absl::StatusOr<stages::AliasChange> FromProto(const store::SetAliasRequest& request,
                                              const Field& field);

// The messages of one upsert, each of a few MiB, the last with `commit`.
absl::Status ToProto(const stages::CollectionId& id, const std::string& embedder_digest,
                     const stages::Upsert& upsert,
                     absl::FunctionRef<absl::Status(const store::UpsertRequest&)> send);

// Puts upserts together from their messages. RESOURCE_EXHAUSTED / LIMIT_EXCEEDED over 256 MiB an
// upsert.
class UpsertReader {
 public:
  struct Complete {
    stages::CollectionId collection;
    std::string embedder_digest;
    stages::Upsert upsert;
  };

  // True when `message` completed an upsert; take it before the next Add.
  absl::StatusOr<bool> Add(const store::UpsertRequest& message);
  Complete Take();
  // True between the first message of an upsert and its commit.
  bool incomplete() const { return begun_; }

 private:
  Complete pending_;
  bool begun_ = false;
  std::size_t bytes_ = 0;
};

void ToProto(const stages::DeleteSelector& what, store::DeleteRequest* out);
absl::StatusOr<stages::DeleteSelector> FromProto(const store::DeleteRequest& request,
                                                 const Field& field);

void ToProto(const stages::SearchRequest& request, store::SearchRequest* out);
absl::StatusOr<stages::SearchRequest> FromProto(const store::SearchRequest& request,
                                                const Field& field);

void ToProto(const stages::SearchHit& hit, store::SearchHit* out);
absl::StatusOr<stages::SearchHit> FromProto(const store::SearchHit& hit, const Field& field);

void ToProto(const stages::SearchResult& result, store::SearchResponse* out);
absl::StatusOr<stages::SearchResult> FromProto(const store::SearchResponse& response,
                                               const Field& field);

// A retention: whole seconds, at most 100 years; 0: for ever.
absl::StatusOr<absl::Duration> RetentionFrom(const google::protobuf::Duration& retention,
                                             const Field& field);

// 0.8 to 1.
absl::StatusOr<double> DenseRecallFrom(double recall, const Field& field);

absl::StatusOr<stages::Page> PageFrom(std::uint32_t size, const std::string& token,
                                      const Field& field);
absl::Status CheckLabels(const google::protobuf::RepeatedPtrField<std::string>& labels,
                         std::size_t max, const Field& field);
absl::Status CheckIds(const google::protobuf::RepeatedPtrField<std::string>& ids, std::size_t max,
                      const Field& field);
absl::Status CheckId(const std::string& id, const Field& field);               // 1 to 512 bytes
absl::Status CheckIdempotencyKey(const std::string& key, const Field& field);  // 0 to 128 bytes

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_VECTOR_STORE_WIRE_H_
