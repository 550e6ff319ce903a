#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/collection_transfer.h"
#include "libs/vector_store/record_keys.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kItemsPerCheck = 64;  // written between two looks at the call

class CollectionExport {
 public:
  CollectionExport(const Database& database, const Database::Moment& moment,
                   const stages::CollectionId& id, stages::ArchiveSink sink)
      : database_(database),
        moment_(moment),
        id_(id),
        sink_(std::move(sink)),
        writer_([this](absl::string_view bytes) {
          return sink_({bytes, done_, total_});
        }) {}

  absl::Status Run(absl::Time now, const std::string& release, const CallContext& call) {
    RAGMESH_RETURN_IF_ERROR(Begin());
    RAGMESH_RETURN_IF_ERROR(Documents(call));
    RAGMESH_RETURN_IF_ERROR(Chunks(call));
    if (documents_ != state_.documents.value_or(documents_) ||
        chunks_ != state_.chunks.value_or(chunks_)) {
      return Corrupt("collection", "has other records than its state counts",
                     "Restore the store from a snapshot; 'ragmesh store check' says what is "
                     "missing.");
    }
    return writer_.Finish({.tenant = id_.tenant,
                           .name = id_.name,
                           .created = now,
                           .release = release,
                           .sequence = state_.sequence});
  }

 private:
  absl::Status Begin() {
    const auto at = database_.Walk(Family::kCollections, "", &moment_);
    for (; at->Valid(); at->Next()) {
      RAGMESH_ASSIGN_OR_RETURN(const CollectionRecord record, DecodeCollection(at->value()));
      if (record.config.id != id_) continue;
      prefix_ = std::string(at->key());
      const auto state = database_.Walk(Family::kStates, prefix_, &moment_);
      RAGMESH_RETURN_IF_ERROR(state->status());
      if (!state->Valid()) return Corrupt("collection", "has no state record");
      RAGMESH_ASSIGN_OR_RETURN(state_, DecodeState(state->value()));
      total_ = state_.documents.value_or(0) + state_.chunks.value_or(0);
      BinaryWriter out;
      out.Bytes(at->value());
      out.Bytes(state->value());
      return writer_.Add(backup::FrameKind::kCollection, out.bytes());
    }
    RAGMESH_RETURN_IF_ERROR(at->status());
    return NotFound("collection", id_.name);
  }

  absl::Status Next(const CallContext& call) {
    return ++done_ % kItemsPerCheck == 0 ? call.Check() : absl::OkStatus();
  }

  absl::Status Documents(const CallContext& call) {
    const auto documents = database_.Walk(Family::kDocuments, prefix_, &moment_);
    const auto texts = database_.Walk(Family::kTexts, prefix_, &moment_);
    for (; documents->Valid(); documents->Next(), texts->Next()) {
      if (!texts->Valid() || texts->key() != documents->key()) {
        RAGMESH_RETURN_IF_ERROR(texts->status());
        return Corrupt("document", "has no text", "Restore the store from a snapshot.");
      }
      RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(documents->key()));
      BinaryWriter out;
      out.U64(number);
      out.Bytes(documents->value());
      out.Bytes(texts->value());
      RAGMESH_RETURN_IF_ERROR(writer_.Add(backup::FrameKind::kDocument, out.bytes()));
      ++documents_;
      RAGMESH_RETURN_IF_ERROR(Next(call));
    }
    RAGMESH_RETURN_IF_ERROR(documents->status());
    return texts->status();
  }

  // Three families lie under the same keys, the last two with gaps, so they are walked side by
  // side.
  absl::Status Chunks(const CallContext& call) {
    const auto chunks = database_.Walk(Family::kChunks, prefix_, &moment_);
    const auto vectors = database_.Walk(Family::kVectors, prefix_, &moment_);
    const auto tokens = database_.Walk(Family::kTokens, prefix_, &moment_);
    const auto value_at = [](Database::Cursor& cursor, absl::string_view key) {
      while (cursor.Valid() && cursor.key() < key) cursor.Next();
      return cursor.Valid() && cursor.key() == key ? cursor.value() : absl::string_view();
    };
    for (; chunks->Valid(); chunks->Next()) {
      RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(chunks->key()));
      BinaryWriter out;
      out.U64(number);
      out.Bytes(chunks->value());
      out.Bytes(value_at(*vectors, chunks->key()));
      out.Bytes(value_at(*tokens, chunks->key()));
      RAGMESH_RETURN_IF_ERROR(writer_.Add(backup::FrameKind::kChunk, out.bytes()));
      ++chunks_;
      RAGMESH_RETURN_IF_ERROR(Next(call));
    }
    RAGMESH_RETURN_IF_ERROR(chunks->status());
    RAGMESH_RETURN_IF_ERROR(vectors->status());
    return tokens->status();
  }

  const Database& database_;
  const Database::Moment& moment_;
  const stages::CollectionId& id_;
  stages::ArchiveSink sink_;
  std::uint64_t done_ = 0, total_ = 0;
  backup::ArchiveWriter writer_;
  std::string prefix_;
  CollectionState state_;
  std::uint64_t documents_ = 0, chunks_ = 0;
};

}  // namespace

absl::Status ExportCollection(const Database& database, const stages::CollectionId& id,
                              absl::Time now, const std::string& release, stages::ArchiveSink sink,
                              const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  const auto moment = database.Hold();
  return CollectionExport(database, *moment, id, std::move(sink)).Run(now, release, call);
}

}  // namespace ragmesh::vector_store
