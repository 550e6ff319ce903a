#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/backup/manifest.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/collection_transfer.h"
#include "libs/vector_store/indexed_text.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

using backup::Damaged;

constexpr std::uint64_t kBytesPerCommit = 8 << 20;
constexpr std::uint64_t kItemsPerCheck = 64;
// As in collection_writes.cc: what a chunk takes in memory besides its vector.
constexpr std::uint64_t kTypicalChunkMemory = 1500;

// Numbers only rise, one for each record ever written: no store comes near it, and what follows
// cannot wrap around.
constexpr std::uint64_t kMaxNumber = std::uint64_t{1} << 62;

// The parts of a frame, once each is there and nothing else is.
absl::Status Whole(const BinaryReader& in, const std::string& what) {
  if (in.failed() || !in.at_end()) return Damaged(what, "does not follow its layout");
  return absl::OkStatus();
}

}  // namespace

absl::Status CollectionImport::Flush() {
  if (writes_.empty()) return absl::OkStatus();
  const WriteSet writes = std::exchange(writes_, WriteSet());
  waiting_bytes_ = 0;
  return database_.Commit(writes);
}

absl::Status CollectionImport::Put(Family family, const std::string& key, std::string value) {
  waiting_bytes_ += key.size() + value.size();
  writes_.Put(family, key, std::move(value));
  return absl::OkStatus();
}

absl::Status CollectionImport::TakeCollection(absl::string_view payload) {
  BinaryReader in(payload);
  const absl::string_view record = in.Bytes(), state = in.Bytes();
  RAGMESH_RETURN_IF_ERROR(Whole(in, "collection"));
  auto decoded = DecodeCollection(record);
  if (!decoded.ok()) return Annotate(decoded.status(), "collection");
  record_ = *std::move(decoded);
  record_.config.id = id_;
  record_.analyzer_version = lexical::Analyzer::Version();
  RAGMESH_RETURN_IF_ERROR(Annotate(ValidateConfig(record_.config), "collection"));
  const auto counts = DecodeState(state);
  if (!counts.ok()) return Annotate(counts.status(), "collection.state");
  state_ = *counts;
  for (const std::uint64_t number : {state_.sequence, state_.next_document, state_.next_chunk}) {
    if (number > kMaxNumber) return Damaged("collection.state", "has a number beyond its bounds");
  }
  return absl::OkStatus();
}

absl::Status CollectionImport::TakeDocument(absl::string_view payload) {
  const std::string what = absl::StrCat("documents[", documents_, "]");
  BinaryReader in(payload);
  const std::uint64_t number = in.U64();
  const absl::string_view value = in.Bytes(), sealed_text = in.Bytes();
  RAGMESH_RETURN_IF_ERROR(Whole(in, what));
  if (number <= last_document_) return Damaged(what + ".number", "does not rise");
  if (number >= state_.next_document)
    return Damaged(what + ".number", "is not below that of the next document");
  auto record = DecodeDocument(value);
  if (!record.ok()) return Annotate(record.status(), what);
  auto text = DecodeText(sealed_text);
  if (!text.ok()) return Annotate(text.status(), what + ".text");
  if (record->text_bytes != text->size())
    return Damaged(what + ".text_bytes", "is not the length of the text");
  if (record->text_sha256 != Sha256Hex(*text))
    return Damaged(what + ".text_sha256", "is not the text's digest");
  if (record->document.version == 0) return Damaged(what + ".version", "is 0");
  stages::Upsert upsert;
  upsert.document = record->document;
  upsert.document->text = *text;
  RAGMESH_RETURN_IF_ERROR(
      Annotate(ValidateUpsert(record_.config, record_.config.embedder_digest, upsert), what));
  const stages::StoredDocument& document = record->document;
  if (!document_ids_.insert(document.id).second) return Damaged(what + ".id", "is given twice");
  owners_[number] = {document.id, document.name, document.info.title, document.version,
                     record->text_bytes};
  last_document_ = number;
  ++documents_;
  text_bytes_ += record->text_bytes;
  const std::string key = ItemKey(number_, number);
  if (document.expires.has_value()) {
    RAGMESH_RETURN_IF_ERROR(
        Put(Family::kMeta, ExpiryKey(number_, *document.expires, number), EncodeCounter(number)));
  }
  RAGMESH_RETURN_IF_ERROR(Put(Family::kDocuments, key, Encode(*record)));
  return Put(Family::kTexts, key, EncodeText(*text));
}

absl::Status CollectionImport::TakeChunk(absl::string_view payload,
                                         const lexical::Analyzer& analyzer) {
  const std::string what = absl::StrCat("chunks[", chunks_, "]");
  BinaryReader in(payload);
  const std::uint64_t number = in.U64();
  const absl::string_view value = in.Bytes(), vector = in.Bytes(), tokens = in.Bytes();
  RAGMESH_RETURN_IF_ERROR(Whole(in, what));
  if (number <= last_chunk_) return Damaged(what + ".number", "does not rise");
  if (number >= state_.next_chunk)
    return Damaged(what + ".number", "is not below that of the next chunk");
  auto record = DecodeChunk(value);
  if (!record.ok()) return Annotate(record.status(), what);
  stages::StoredChunk& chunk = record->chunk;
  const auto owner = owners_.find(record->document_number);
  if (owner == owners_.end()) return Damaged(what + ".document_number", "names no document");
  if (chunk.document_id != owner->second.id || chunk.document_version != owner->second.version ||
      chunk.document_name != owner->second.name)
    return Damaged(what + ".document_id", "is not that of its document, or its version or name");
  if (chunk.chunk.range.end > owner->second.text_bytes)
    return Damaged(what + ".range", "ends beyond the document's text");
  if (chunk.content_sha256 != Sha256Hex(stages::EmbeddingText(chunk.chunk)))
    return Damaged(what + ".content_sha256", "is not the digest of its context and text");
  stages::Upsert upsert;
  upsert.chunks.push_back(chunk);
  if (!vector.empty()) {
    auto decoded = DecodeVector(vector);
    if (!decoded.ok()) return Annotate(decoded.status(), what + ".vector");
    upsert.chunks[0].vector = *std::move(decoded);
  }
  if (!tokens.empty()) {
    auto decoded = DecodeTokens(tokens);
    if (!decoded.ok()) return Annotate(decoded.status(), what + ".tokens");
    upsert.chunks[0].tokens = *std::move(decoded);
  }
  RAGMESH_RETURN_IF_ERROR(
      Annotate(ValidateUpsert(record_.config, record_.config.embedder_digest, upsert), what));
  if (!chunk_ids_.insert(chunk.id).second) return Damaged(what + ".id", "is given twice");
  last_chunk_ = number;
  ++chunks_;
  const std::uint64_t memory =
      chunks_ * (record_.config.dimension * sizeof(float) + kTypicalChunkMemory);
  if (max_memory_bytes_ > 0 && memory > max_memory_bytes_) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     absl::StrCat("the search image of the collection would take more than the ",
                                  max_memory_bytes_, " bytes that are left"),
                     {.reason = "MEMORY_LIMIT",
                      .next_step = "Delete collections, or raise the store's memory limit."});
  }
  const std::string key = ItemKey(number_, number);
  RAGMESH_RETURN_IF_ERROR(
      Put(Family::kIndex, key,
          Encode(IndexEntry{chunk.id, record->document_number, chunk.chunk.ordinal,
                            IndexedTerms(analyzer, owner->second.title, chunk.chunk)})));
  const stages::StoredChunk& checked = upsert.chunks[0];
  if (!checked.vector.empty())
    RAGMESH_RETURN_IF_ERROR(Put(Family::kVectors, key, EncodeVector(checked.vector)));
  if (!checked.tokens.empty())
    RAGMESH_RETURN_IF_ERROR(Put(Family::kTokens, key, Encode(checked.tokens)));
  return Put(Family::kChunks, key, Encode(*record));
}

absl::Status CollectionImport::Run(backup::ArchiveReader* reader, const CallContext& call) {
  std::unique_ptr<lexical::Analyzer> analyzer;
  for (std::uint64_t frames = 0;; ++frames) {
    if (frames % kItemsPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(const backup::ArchiveReader::Frame frame, reader->Next());
    if (frame.end) break;
    switch (frame.kind) {
      case backup::FrameKind::kCollection:
        RAGMESH_RETURN_IF_ERROR(TakeCollection(frame.payload));
        analyzer = std::make_unique<lexical::Analyzer>(record_.config.language);
        break;
      case backup::FrameKind::kDocument:
        RAGMESH_RETURN_IF_ERROR(TakeDocument(frame.payload));
        break;
      case backup::FrameKind::kChunk:
        RAGMESH_RETURN_IF_ERROR(TakeChunk(frame.payload, *analyzer));
        break;
      case backup::FrameKind::kManifest:
      case backup::FrameKind::kSignature:
        break;
    }
    if (waiting_bytes_ >= kBytesPerCommit) RAGMESH_RETURN_IF_ERROR(Flush());
  }
  if (state_.documents.value_or(documents_) != documents_)
    return Damaged("collection.state.documents", "is not their number");
  if (state_.chunks.value_or(chunks_) != chunks_)
    return Damaged("collection.state.chunks", "is not their number");
  if (state_.sequence != reader->manifest().sequence)
    return Damaged("manifest.sequence", "is not that of the collection");
  state_.documents = documents_;
  state_.chunks = chunks_;
  state_.text_bytes = text_bytes_;
  return Flush();
}

}  // namespace ragmesh::vector_store
