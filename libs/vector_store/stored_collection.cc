#include "libs/vector_store/stored_collection.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/indexed_text.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::size_t kChunksPerLoad = 1024;     // of one document, put into the image at once
constexpr std::size_t kEntriesPerCommit = 1000;  // when index entries are made anew

constexpr std::size_t kRemovalsPerCommit = 10'000;  // of a collection that was deleted

}  // namespace

absl::Status PurgeCollection(Database* database, std::uint32_t number) {
  for (const Family family :
       {Family::kDocuments, Family::kTexts, Family::kChunks, Family::kIndex, Family::kVectors,
        Family::kTokens, Family::kReplays, Family::kRemoved, Family::kSegments}) {
    WriteSet writes;
    std::size_t waiting = 0;
    const auto at = database->Walk(family, CollectionKey(number));
    for (; at->Valid(); at->Next()) {
      writes.Delete(family, at->key());
      if (++waiting % kRemovalsPerCommit != 0) continue;
      RAGMESH_RETURN_IF_ERROR(database->Commit(writes));
      writes = WriteSet();
    }
    RAGMESH_RETURN_IF_ERROR(at->status());
    if (!writes.empty()) RAGMESH_RETURN_IF_ERROR(database->Commit(writes));
  }
  WriteSet done;
  const auto expiries = database->Walk(Family::kMeta, ExpiryPrefix(number));
  for (; expiries->Valid(); expiries->Next()) done.Delete(Family::kMeta, expiries->key());
  RAGMESH_RETURN_IF_ERROR(expiries->status());
  done.Delete(Family::kStates, CollectionKey(number));  // of an import that did not come to its end
  done.Delete(Family::kMeta, DroppedKey(number));
  return database->Commit(done);
}

StoredCollection::StoredCollection(std::uint32_t number, const CollectionRecord& record,
                                   StoreResources* resources)
    : number_(number),
      resources_(resources),
      created_(record.created),
      dimension_(record.config.dimension),
      analyzer_(record.config.language),
      image_(std::make_unique<Image>(record.config.dimension)),
      record_(record) {}

StoredCollection::~StoredCollection() { CountMemory(0); }

absl::StatusOr<std::shared_ptr<StoredCollection>> StoredCollection::Load(
    std::uint32_t number, const CollectionRecord& record, StoreResources* resources) {
  auto collection =
      std::shared_ptr<StoredCollection>(new StoredCollection(number, record, resources));
  const std::string context =
      absl::StrCat("collection ", record.config.id.tenant, "/", record.config.id.name);
  RAGMESH_ASSIGN_OR_RETURN(const auto state,
                           resources->database->Get(Family::kStates, CollectionKey(number)));
  if (!state.has_value())
    return Corrupt(context, "has no state record", "Restore the store from a snapshot.");
  RAGMESH_ASSIGN_OR_RETURN(collection->state_, DecodeState(*state));
  if (record.analyzer_version != lexical::Analyzer::Version()) {
    // First, so that no segment with terms of old stays when this is cut short.
    if (const absl::Status status = collection->ForgetSegments(); !status.ok())
      return Annotate(status, context);
    absl::MutexLock lock(&collection->mutex_);
    if (const absl::Status status = collection->Reindex(); !status.ok())
      return Annotate(status, context);
  }
  if (const absl::Status status = collection->LoadSegments(); !status.ok())
    return Annotate(status, context);
  // A segment may have been begun behind numbers that a write took and did not use: no state record
  // knows of them, and below them no chunk is looked for but in segments.
  collection->numbers_.Start(
      {std::max(collection->state_.next_document, collection->parts_.first_document),
       std::max(collection->state_.next_chunk, collection->parts_.first_chunk)});
  if (const absl::Status status = collection->LoadTail(); !status.ok())
    return Annotate(status, context);
  if (const absl::Status status = collection->CheckCounts(); !status.ok()) {
    if (collection->parts_ == PartsRecord{.next_segment = collection->parts_.next_segment})
      return Annotate(status, context);
    // It may be the segments that lack something; without them all of it comes from the records.
    if (resources->observer != nullptr) resources->observer->SegmentsLost(status);
    RAGMESH_RETURN_IF_ERROR(collection->ForgetSegments());
    return Load(number, record, resources);
  }
  if (const absl::Status status = collection->LoadReplays(); !status.ok())
    return Annotate(status, context);
  return collection;
}

absl::Status StoredCollection::LoadReplays() {
  absl::MutexLock lock(&mutex_);
  const auto replays = resources_->database->Walk(Family::kReplays, CollectionKey(number_));
  for (; replays->Valid(); replays->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const std::string key, ParseReplayKey(replays->key()));
    RAGMESH_ASSIGN_OR_RETURN(ReplayRecord record, DecodeReplay(replays->value()));
    replays_.Add(key, std::move(record));
  }
  return replays->status();
}

// Records that check out each may still be too few, when a file that held others is gone.
absl::Status StoredCollection::CheckCounts() {
  const stages::CollectionStats stats = image_->Stats();
  if (state_.documents.value_or(stats.documents) != stats.documents ||
      state_.chunks.value_or(stats.chunks) != stats.chunks) {
    return Corrupt(
        "collection",
        absl::StrCat("has ", stats.documents, " documents and ", stats.chunks,
                     " chunks, its state record says ", *state_.documents, " and ", *state_.chunks),
        "Restore the store from a snapshot; 'ragmesh store check' says what is missing.");
  }
  state_.documents = stats.documents;
  state_.chunks = stats.chunks;
  return absl::OkStatus();
}

// What is in no segment. When that is much, because segments were lost or a release before them
// wrote the store, segments are made on the way, so that memory stays bounded.
absl::Status StoredCollection::LoadTail() {
  const std::string prefix = CollectionKey(number_);
  const Database& database = *resources_->database;
  const CallContext call(absl::InfiniteFuture());
  absl::flat_hash_map<std::uint64_t, std::shared_ptr<const DocumentRecord>> records;
  std::uint64_t text_bytes = 0;
  // Numbers of the first of these may be lower than those of the last in segments.
  const ImageView segments = image_->View({});
  const absl::flat_hash_set<std::uint64_t> sealed = SealedChunks();
  const auto documents =
      database.WalkFrom(Family::kDocuments, prefix, ItemKey(number_, parts_.first_document));
  ImageChange change;
  for (; documents->Valid(); documents->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(change.document_number, ParseItemNumber(documents->key()));
    if (segments.FindNumber(change.document_number).has_value()) continue;
    RAGMESH_ASSIGN_OR_RETURN(DocumentRecord record, DecodeDocument(documents->value()));
    text_bytes += record.text_bytes;
    change.document = ImageRecord(std::move(record));
    change.is_new = true;
    records[change.document_number] = change.document;
    image_->Apply(change);
  }
  RAGMESH_RETURN_IF_ERROR(documents->status());
  // Only stores without segments lack it.
  if (!state_.text_bytes.has_value()) state_.text_bytes = text_bytes;

  // Index entries and vectors lie under the same keys, so both are walked side by side. Entries of
  // one document follow one another, as they were written.
  std::deque<IndexEntry> entries;  // its elements stay in place while it grows
  std::deque<std::vector<float>> vectors;
  change = ImageChange();
  const auto flush = [&] {
    if (!change.new_chunks.empty()) image_->Apply(change);
    change.new_chunks.clear();
    entries.clear();
    vectors.clear();
  };
  const std::string first = ItemKey(number_, parts_.first_chunk);
  const auto index = database.WalkFrom(Family::kIndex, prefix, first);
  const auto vector = database.WalkFrom(Family::kVectors, prefix, first);
  for (; index->Valid(); index->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(index->key()));
    if (sealed.contains(number)) {
      if (vector->Valid() && vector->key() == index->key()) vector->Next();
      continue;
    }
    RAGMESH_ASSIGN_OR_RETURN(IndexEntry entry, DecodeIndexEntry(index->value()));
    if (change.document_number != entry.document_number ||
        change.new_chunks.size() == kChunksPerLoad) {
      flush();
      if (image_->tail_rows() >= resources_->seal_rows) {
        image_->Freeze({state_.next_document, number});
        // What fails is tried again later; all of it is in memory.
        while (SealOnce(call).value_or(false)) {
        }
      }
      auto& owner = records[entry.document_number];
      if (owner == nullptr) {
        const ImageView view = image_->View({});
        const auto at = view.FindNumber(entry.document_number);
        if (!at.has_value()) return Corrupt("index entry", "belongs to no document");
        RAGMESH_ASSIGN_OR_RETURN(owner, view.Document(*at));
      }
      change.document = owner;
      change.document_number = entry.document_number;
    }
    vectors.emplace_back();
    if (dimension_ > 0) {
      if (!vector->Valid() || vector->key() != index->key())
        return Corrupt("chunk", "has no vector");
      RAGMESH_ASSIGN_OR_RETURN(vectors.back(), DecodeVector(vector->value()));
      if (vectors.back().size() != dimension_)
        return Corrupt("vector record", "has another dimension");
      vector->Next();
    }
    entries.push_back(std::move(entry));
    change.new_chunks.push_back({entries.back().chunk_id, number, entries.back().ordinal,
                                 vectors.back(), &entries.back().terms});
  }
  RAGMESH_RETURN_IF_ERROR(index->status());
  RAGMESH_RETURN_IF_ERROR(vector->status());
  if (vector->Valid()) return Corrupt("vector record", "belongs to no chunk");
  flush();
  ImageChange last;
  last.sequence = state_.sequence;
  last.text_bytes = *state_.text_bytes;
  image_->Apply(last);
  CountMemory(image_->Stats().memory_bytes);
  return absl::OkStatus();
}

// Another release, or another ICU, may cut words differently than the one that made the index
// entries. Killed half-way, it starts over at the next open.
absl::Status StoredCollection::Reindex() {
  const std::string prefix = CollectionKey(number_);
  Database& database = *resources_->database;
  absl::flat_hash_map<std::uint64_t, std::string> titles;
  const auto documents = database.Walk(Family::kDocuments, prefix);
  for (; documents->Valid(); documents->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, ParseItemNumber(documents->key()));
    RAGMESH_ASSIGN_OR_RETURN(const DocumentRecord record, DecodeDocument(documents->value()));
    titles[number] = record.document.info.title;
  }
  RAGMESH_RETURN_IF_ERROR(documents->status());
  WriteSet writes;
  std::size_t waiting = 0;
  const auto chunks = database.Walk(Family::kChunks, prefix);
  for (; chunks->Valid(); chunks->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const ChunkRecord record, DecodeChunk(chunks->value()));
    const stages::StoredChunk& stored = record.chunk;
    const IndexEntry entry{stored.id, record.document_number, stored.chunk.ordinal,
                           IndexedTerms(analyzer_, titles[record.document_number], stored.chunk)};
    writes.Put(Family::kIndex, chunks->key(), Encode(entry));
    if (++waiting % kEntriesPerCommit == 0) {
      RAGMESH_RETURN_IF_ERROR(database.Commit(writes));
      writes = WriteSet();
    }
  }
  RAGMESH_RETURN_IF_ERROR(chunks->status());
  record_.analyzer_version = lexical::Analyzer::Version();
  writes.Put(Family::kCollections, prefix, Encode(record_));
  return database.Commit(writes);
}

absl::StatusOr<stages::Collection> StoredCollection::Update(
    const stages::CollectionConfig& config) {
  RAGMESH_RETURN_IF_ERROR(ValidateConfig(config));
  {
    // Held across the commit: updates are rare, and two of them must not pass each other.
    absl::MutexLock lock(&mutex_);
    if (removed_) return NotFound("collection", config.id.name);
    RAGMESH_RETURN_IF_ERROR(ValidateUpdate(record_.config, config));
    CollectionRecord record = record_;
    record.config = config;
    record.config.id = record_.config.id;  // `config` may name an alias
    WriteSet writes;
    writes.Put(Family::kCollections, CollectionKey(number_), Encode(record));
    RAGMESH_RETURN_IF_ERROR(resources_->database->Commit(writes));
    record_ = std::move(record);
  }
  return Describe();
}

absl::Status StoredCollection::Rename(const std::string& name, WriteSet also) {
  absl::MutexLock lock(&mutex_);
  if (removed_) return NotFound("collection", record_.config.id.name);
  CollectionRecord record = record_;
  record.config.id.name = name;
  also.Put(Family::kCollections, CollectionKey(number_), Encode(record));
  RAGMESH_RETURN_IF_ERROR(resources_->database->Commit(also));
  record_ = std::move(record);
  return absl::OkStatus();
}

std::uint64_t StoredCollection::sequence() const { return image_->sequence(); }

stages::Collection StoredCollection::Describe() const {
  stages::Collection collection{config(), created_, image_->Stats()};
  collection.stats.disk_bytes = resources_->database->disk_bytes();
  return collection;
}

void StoredCollection::CountMemory(std::uint64_t bytes) {
  resources_->memory_bytes +=
      bytes - counted_memory_bytes_;  // wraps around when it shrinks, as it should
  counted_memory_bytes_ = bytes;
}

}  // namespace ragmesh::vector_store
