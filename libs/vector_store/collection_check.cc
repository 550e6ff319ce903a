#include "libs/vector_store/collection_check.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/segment/segment.h"
#include "libs/vector_store/indexed_text.h"
#include "libs/vector_store/part_records.h"
#include "libs/vector_store/record_keys.h"

namespace ragmesh::vector_store {
namespace {

constexpr char kWriteAnew[] = "Write the document anew, or restore the store from a snapshot.";
constexpr std::size_t kValuesPerCheck = 256;  // read between two looks at the call

}  // namespace

CollectionCheck::CollectionCheck(std::uint32_t number, const CollectionRecord& record,
                                 Mender* mender)
    : number_(number),
      record_(record),
      name_(absl::StrCat(record.config.id.tenant, "/", record.config.id.name)),
      prefix_(CollectionKey(number)),
      analyzer_(record.config.language),
      mender_(*mender) {}

absl::Status CollectionCheck::Run(const CallContext& call) {
  const std::uint64_t repaired = mender_.report().repaired;
  RAGMESH_RETURN_IF_ERROR(CheckDocuments(call));
  RAGMESH_RETURN_IF_ERROR(CheckTexts(call));
  RAGMESH_RETURN_IF_ERROR(CheckChunks(call));
  for (const Family family : {Family::kIndex, Family::kVectors, Family::kTokens})
    RAGMESH_RETURN_IF_ERROR(CheckOrphans(family, call));
  if (mender_.report().repaired == repaired) {
    RAGMESH_RETURN_IF_ERROR(CheckSegments(call));
  } else {
    RAGMESH_RETURN_IF_ERROR(ForgetSegments("is of chunks that have been mended"));
  }
  RAGMESH_RETURN_IF_ERROR(CheckReplays());
  RAGMESH_RETURN_IF_ERROR(CheckState());
  ++mender_.report().collections;
  mender_.report().documents += documents_.size();
  mender_.report().chunks += chunks_.size();
  return mender_.Flush();
}

template <typename T>
std::optional<T> CollectionCheck::Decode(Family family, absl::string_view key,
                                         absl::StatusOr<T> value, const std::string& action) {
  ++mender_.report().values;
  if (value.ok()) return *std::move(value);
  mender_.Report(name_, family, key, std::string(value.status().message()), action);
  return std::nullopt;
}

// Without its key a document that is to go would stay.
absl::Status CollectionCheck::CheckExpiry(absl::Time expires, std::uint64_t document) {
  const std::string key = ExpiryKey(number_, expires, document);
  RAGMESH_ASSIGN_OR_RETURN(const auto there, mender_.database().Get(Family::kMeta, key));
  if (there.has_value()) return absl::OkStatus();
  return mender_.Put(name_, Family::kMeta, key, EncodeCounter(document),
                     "the key by which a document is deleted in time is missing");
}

absl::Status CollectionCheck::CheckDocuments(const CallContext& call) {
  const auto at = mender_.database().Walk(Family::kDocuments, prefix_);
  for (std::size_t i = 0; at->Valid(); at->Next(), ++i) {
    if (i % kValuesPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(at->key()));
    last_document_ = std::max(last_document_, number);
    documents_[number];  // also when it is damaged: its chunks do not belong to nothing
    auto record = Decode(Family::kDocuments, at->key(), DecodeDocument(at->value()), kWriteAnew);
    has_damaged_documents_ |= !record.has_value();
    if (!record.has_value()) continue;
    const stages::StoredDocument& document = record->document;
    documents_[number] = {document.id, document.info.title, document.version};
    texts_[number] = {record->text_bytes, record->text_sha256};
    text_bytes_ += record->text_bytes;
    if (!document_ids_.insert(document.id).second) {
      mender_.Report(name_, Family::kDocuments, at->key(),
                     "another document record has the same id", kWriteAnew);
    }
    if (document.expires.has_value())
      RAGMESH_RETURN_IF_ERROR(CheckExpiry(*document.expires, number));
  }
  return at->status();
}

absl::Status CollectionCheck::CheckTexts(const CallContext& call) {
  const auto at = mender_.database().Walk(Family::kTexts, prefix_);
  for (; at->Valid(); at->Next()) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(at->key()));
    last_document_ = std::max(last_document_, number);
    if (!documents_.contains(number)) {
      RAGMESH_RETURN_IF_ERROR(mender_.Remove(name_, Family::kTexts, at->key(), at->value(),
                                             "the text belongs to no document"));
      continue;
    }
    const auto text = Decode(Family::kTexts, at->key(), DecodeText(at->value()), kWriteAnew);
    const auto wanted = texts_.find(number);
    if (wanted == texts_.end()) continue;
    if (text.has_value() &&
        (text->size() != wanted->second.bytes || Sha256Hex(*text) != wanted->second.sha256)) {
      mender_.Report(name_, Family::kTexts, at->key(),
                     "the text is not the one its document record names", kWriteAnew);
    }
    texts_.erase(wanted);
  }
  for (const auto& [number, text] : texts_) {
    mender_.Report(name_, Family::kTexts, ItemKey(number_, number), "the document has no text",
                   kWriteAnew);
  }
  return at->status();
}

absl::Status CollectionCheck::CheckChunks(const CallContext& call) {
  const auto at = mender_.database().Walk(Family::kChunks, prefix_);
  for (std::size_t i = 0; at->Valid(); at->Next(), ++i) {
    if (i % kValuesPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_RETURN_IF_ERROR(CheckChunk(at->key(), at->value()));
  }
  return at->status();
}

absl::Status CollectionCheck::CheckChunk(absl::string_view key, absl::string_view value) {
  RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(key));
  last_chunk_ = std::max(last_chunk_, number);
  const auto record = Decode(Family::kChunks, key, DecodeChunk(value), kWriteAnew);
  if (!record.has_value()) {
    chunks_.insert(number);
    return absl::OkStatus();
  }
  last_document_ = std::max(last_document_, record->document_number);
  const auto owner = documents_.find(record->document_number);
  if (owner == documents_.end()) {
    // Its index entry, vector and tokens follow it, since they have no chunk then.
    return mender_.Remove(name_, Family::kChunks, key, value, "the chunk belongs to no document");
  }
  chunks_.insert(number);
  const stages::StoredChunk& chunk = record->chunk;
  if (!chunk_ids_.insert(chunk.id).second) {
    mender_.Report(name_, Family::kChunks, key, "another chunk record has the same id", kWriteAnew);
  }
  if (!owner->second.id.empty() &&
      (chunk.document_id != owner->second.id || chunk.document_version != owner->second.version)) {
    mender_.Report(name_, Family::kChunks, key,
                   absl::StrCat("the chunk is of version ", chunk.document_version,
                                " of its document, which is at ", owner->second.version),
                   kWriteAnew);
  }
  if (Sha256Hex(stages::EmbeddingText(chunk.chunk)) != chunk.content_sha256) {
    mender_.Report(name_, Family::kChunks, key, "the chunk's digest is not that of its text",
                   kWriteAnew);
  }
  RAGMESH_RETURN_IF_ERROR(CheckIndexEntry(key, *record, owner->second));
  if (record_.config.dimension == 0) return absl::OkStatus();
  RAGMESH_ASSIGN_OR_RETURN(const auto vector, mender_.database().Get(Family::kVectors, key));
  if (!vector.has_value()) {
    mender_.Report(name_, Family::kVectors, key, "the chunk has no vector", kWriteAnew);
    return absl::OkStatus();
  }
  const auto decoded = Decode(Family::kVectors, key, DecodeVector(*vector), kWriteAnew);
  if (decoded.has_value() && decoded->size() != record_.config.dimension) {
    mender_.Report(name_, Family::kVectors, key,
                   absl::StrCat("the vector has dimension ", decoded->size(), ", the collection ",
                                record_.config.dimension),
                   kWriteAnew);
  }
  return absl::OkStatus();
}

absl::Status CollectionCheck::CheckIndexEntry(absl::string_view key, const ChunkRecord& chunk,
                                              const Owner& owner) {
  ++entries_;
  ++mender_.report().values;
  RAGMESH_ASSIGN_OR_RETURN(const auto stored, mender_.database().Get(Family::kIndex, key));
  const std::string made =
      Encode(IndexEntry{chunk.chunk.id, chunk.document_number, chunk.chunk.chunk.ordinal,
                        IndexedTerms(analyzer_, owner.title, chunk.chunk.chunk)});
  if (!stored.has_value())
    return mender_.Put(name_, Family::kIndex, key, made, "the chunk has no index entry");
  const auto entry = DecodeIndexEntry(*stored);
  if (!entry.ok())
    return mender_.Put(name_, Family::kIndex, key, made, std::string(entry.status().message()));
  // Another release may cut words otherwise; an open makes such entries anew.
  const bool comparable = record_.analyzer_version == lexical::Analyzer::Version();
  if (entry->chunk_id != chunk.chunk.id || entry->document_number != chunk.document_number ||
      entry->ordinal != chunk.chunk.chunk.ordinal || (comparable && *stored != made)) {
    return mender_.Put(name_, Family::kIndex, key, made,
                       "the index entry is not the one its chunk gives");
  }
  return absl::OkStatus();
}

// Index entries, vectors and tokens that no chunk has.
absl::Status CollectionCheck::CheckOrphans(Family family, const CallContext& call) {
  const auto at = mender_.database().Walk(family, prefix_);
  for (std::size_t i = 0; at->Valid(); at->Next(), ++i) {
    if (i % kValuesPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(at->key()));
    last_chunk_ = std::max(last_chunk_, number);
    if (!chunks_.contains(number)) {
      RAGMESH_RETURN_IF_ERROR(
          mender_.Remove(name_, family, at->key(), at->value(), "the record belongs to no chunk"));
    } else if (family == Family::kVectors && record_.config.dimension == 0) {
      RAGMESH_RETURN_IF_ERROR(mender_.Remove(name_, family, at->key(), at->value(),
                                             "the collection is lexical and has no vectors"));
    } else if (family == Family::kTokens) {
      ++mender_.report().values;
      // Tokens save work and change no result, so a chunk does as well without.
      if (const auto tokens = DecodeTokens(at->value()); !tokens.ok()) {
        RAGMESH_RETURN_IF_ERROR(mender_.Remove(name_, family, at->key(), at->value(),
                                               std::string(tokens.status().message())));
      }
    }
  }
  return at->status();
}

absl::Status CollectionCheck::CheckReplays() {
  const auto at = mender_.database().Walk(Family::kReplays, prefix_);
  for (; at->Valid(); at->Next()) {
    ++mender_.report().values;
    const auto replay = DecodeReplay(at->value());
    if (replay.ok()) {
      last_sequence_ = std::max(last_sequence_, replay->sequence);
      continue;
    }
    RAGMESH_RETURN_IF_ERROR(mender_.Remove(name_, Family::kReplays, at->key(), at->value(),
                                           std::string(replay.status().message())));
  }
  return at->status();
}

// Segments hold what other records hold too, so all of them go when one is wrong.
absl::Status CollectionCheck::CheckSegments(const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto stored, mender_.database().Get(Family::kSegments, prefix_));
  if (!stored.has_value()) return absl::OkStatus();
  ++mender_.report().values;
  const auto parts = DecodeParts(*stored);
  if (!parts.ok()) return ForgetSegments(std::string(parts.status().message()));
  absl::flat_hash_set<std::uint64_t> removed;  // chunks
  const auto at = mender_.database().Walk(Family::kRemoved, prefix_);
  for (; at->Valid(); at->Next()) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    ++mender_.report().values;
    const auto item = ParseRemovedKey(at->key());
    const absl::Status value = !item.ok()          ? item.status()
                               : item->is_document ? DecodeCounter(at->value()).status()
                                                   : DecodeIndexEntry(at->value()).status();
    if (!value.ok()) return ForgetSegments(std::string(value.message()));
    if (!item->is_document) removed.insert(item->number);
  }
  RAGMESH_RETURN_IF_ERROR(at->status());
  std::uint64_t live = 0;
  for (const SegmentRecord& record : parts->segments) {
    const std::string stem = mender_.segments().Stem(number_, record.number);
    const auto segment = segment::Segment::Open(stem, record_.config.dimension);
    const absl::Status sound = segment.ok() ? (*segment)->Check() : segment.status();
    if (!sound.ok()) return ForgetSegments(std::string(sound.message()));
    if ((*segment)->digest() != record.digest)
      return ForgetSegments(absl::StrCat(stem, " is not the segment that the store wrote"));
    for (std::uint32_t row = 0; row < (*segment)->rows(); ++row) {
      if (row % kValuesPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
      const std::uint64_t chunk = (*segment)->chunk(row).number;
      if (removed.contains(chunk)) continue;
      live += chunk < parts->first_chunk ? 1 : 0;
      if (!chunks_.contains(chunk))
        return ForgetSegments(absl::StrCat(stem, " has chunk ", chunk, ", which is not there"));
    }
  }
  std::uint64_t expected = 0;
  for (const std::uint64_t chunk : chunks_) expected += chunk < parts->first_chunk ? 1 : 0;
  if (live == expected) return absl::OkStatus();
  return ForgetSegments(
      absl::StrCat("the segments have ", live, " chunks that are there, of ", expected));
}

absl::Status CollectionCheck::ForgetSegments(const std::string& problem) {
  RAGMESH_ASSIGN_OR_RETURN(const auto stored, mender_.database().Get(Family::kSegments, prefix_));
  if (stored.has_value()) {
    RAGMESH_RETURN_IF_ERROR(mender_.Remove(name_, Family::kSegments, prefix_, *stored,
                                           absl::StrCat("the collection's search files: ", problem,
                                                        "; they are made anew when it opens")));
  }
  return mender_.Forget(Family::kRemoved, prefix_);
}

absl::Status CollectionCheck::CheckState() {
  RAGMESH_ASSIGN_OR_RETURN(const auto stored, mender_.database().Get(Family::kStates, prefix_));
  ++mender_.report().values;
  const auto decoded =
      stored.has_value() ? DecodeState(*stored) : Corrupt("collection", "has no state record");
  // Every write took a number of a document or of a chunk, or was a delete: as good a guess as any
  // of a sequence that none has had.
  CollectionState state =
      decoded.value_or(CollectionState{std::max(last_sequence_, last_document_ + last_chunk_) + 1});
  std::string problem = decoded.ok() ? "" : std::string(decoded.status().message());
  const auto raise = [&problem](const char* what, std::uint64_t* value, std::uint64_t least) {
    if (*value >= least) return;
    absl::StrAppend(&problem, problem.empty() ? "" : "; ", what, " is ", *value, ", at least ",
                    least, " is in use");
    *value = least;
  };
  raise("the sequence", &state.sequence, last_sequence_);
  raise("the next document", &state.next_document, last_document_ + 1);
  raise("the next chunk", &state.next_chunk, last_chunk_ + 1);
  const auto set = [&problem](const char* what, std::optional<std::uint64_t>* value,
                              std::uint64_t real) {
    if (!value->has_value()) *value = real;
    if (**value == real) return;
    absl::StrAppend(&problem, problem.empty() ? "" : "; ", "the record counts ", **value, " ", what,
                    ", there are ", real);
    *value = real;
  };
  if (!decoded.ok()) state.documents = state.chunks = state.text_bytes = std::nullopt;
  set("documents", &state.documents, documents_.size());
  set("chunks", &state.chunks, chunks_.size());
  // What a damaged record counts for is not known.
  if (!has_damaged_documents_) set("bytes of text", &state.text_bytes, text_bytes_);
  if (problem.empty()) return absl::OkStatus();
  return mender_.Put(name_, Family::kStates, prefix_, Encode(state), problem);
}

}  // namespace ragmesh::vector_store
