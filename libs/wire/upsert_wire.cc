// One upsert <-> its messages.
#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/wire/vector_store_wire.h"

namespace ragmesh::wire {
namespace {

constexpr std::size_t kMessageBytes = 4 << 20;  // a message is closed once it has this much
constexpr std::size_t kMaxUpsertBytes = 256 << 20;

}  // namespace

absl::Status ToProto(const stages::CollectionId& id, const std::string& embedder_digest,
                     const stages::Upsert& upsert,
                     absl::FunctionRef<absl::Status(const store::UpsertRequest&)> send) {
  store::UpsertRequest message;
  ToProto(id, message.mutable_collection());
  message.set_embedder_digest(embedder_digest);
  message.set_idempotency_key(upsert.idempotency_key);
  message.set_copied(upsert.copied);
  std::size_t bytes = 0;
  if (upsert.document.has_value()) {
    ToProto(*upsert.document, message.mutable_document());
    bytes = upsert.document->text.size();
  }
  for (const stages::StoredChunk& chunk : upsert.chunks) {
    if (bytes >= kMessageBytes) {
      RAGMESH_RETURN_IF_ERROR(send(message));
      message.Clear();
      bytes = 0;
    }
    store::StoredChunk* added = message.add_chunks();
    ToProto(chunk, added);
    bytes += added->ByteSizeLong();
  }
  message.set_commit(true);
  return send(message);
}

absl::StatusOr<bool> UpsertReader::Add(const store::UpsertRequest& in) {
  const Field root;
  if (!begun_) {
    pending_ = Complete();
    bytes_ = 0;
    RAGMESH_ASSIGN_OR_RETURN(pending_.collection, FromProto(in.has_collection(), in.collection(),
                                                            Field(root, "collection")));
    RAGMESH_RETURN_IF_ERROR(CheckDigest(in.embedder_digest(), Field(root, "embedder_digest")));
    pending_.embedder_digest = in.embedder_digest();
    RAGMESH_RETURN_IF_ERROR(
        CheckIdempotencyKey(in.idempotency_key(), Field(root, "idempotency_key")));
    pending_.upsert.idempotency_key = in.idempotency_key();
    pending_.upsert.copied = in.copied();
  } else if (in.has_document()) {
    return Field(root, "document").Invalid("came after the first message of its upsert");
  }
  begun_ = true;
  bytes_ += in.ByteSizeLong();
  if (bytes_ > kMaxUpsertBytes) {
    return LimitExceeded(
        "upsert", static_cast<long long>(bytes_), static_cast<long long>(kMaxUpsertBytes), "bytes",
        "Commit more often: chunks may follow their document in upserts of their own.");
  }
  if (in.has_document()) {
    RAGMESH_ASSIGN_OR_RETURN(pending_.upsert.document,
                             FromProto(in.document(), Field(root, "document")));
  }
  for (int i = 0; i < in.chunks_size(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(stages::StoredChunk chunk,
                             FromProto(in.chunks(i), Field(root, "chunks", i)));
    pending_.upsert.chunks.push_back(std::move(chunk));
  }
  return in.commit();
}

UpsertReader::Complete UpsertReader::Take() {
  begun_ = false;
  return std::move(pending_);
}

}  // namespace ragmesh::wire
