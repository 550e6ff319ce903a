// The writing half of StoredCollection.
//
// A write is prepared on its caller's thread (checks, analysis, encoding), then joins a queue. The
// first in the queue leads: it plans every write of its group against the image, commits them in
// one synced batch, and applies them to the image in order. Group members never touch the same
// document or chunk, so each plan holds whatever the others do.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/for_each_part.h"
#include "libs/vector_store/due_documents.h"
#include "libs/vector_store/indexed_text.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::size_t kMaxGroup = 64;
constexpr int kMaxAttempts = 16;
constexpr std::size_t kChunksPerCheck = 64;  // prepared between two looks at the call

// Memory a chunk takes besides its vector, estimated before it is there: terms of some hundred
// words, ids, look-ups.
constexpr std::uint64_t kTypicalChunkMemory = 1500;

}  // namespace

struct StoredCollection::PreparedChunk {
  lexical::ChunkTerms terms;
  std::string content_sha256;
};

struct StoredCollection::PendingWrite {
  // One of the two.
  stages::Upsert* upsert = nullptr;
  const stages::DeleteSelector* selector = nullptr;

  // With a selector of documents by id: those of these numbers, and none that took their ids since.
  const absl::flat_hash_set<std::uint64_t>* only = nullptr;

  const CallContext* call = nullptr;
  std::string idempotency_key;          // empty: the write may be done again
  std::string content;                  // ContentOf it, when there is a key
  std::vector<PreparedChunk> prepared;  // per chunk of `upsert`
  std::optional<std::uint64_t>
      expected_document;  // number of the stored document the chunks were prepared for
  bool done = false;
  bool stale = false;  // that document has changed: prepare again
  absl::Status status;
  stages::UpsertResult upserted;
  stages::DeleteResult deleted;
};

struct StoredCollection::Plan {
  PendingWrite* write = nullptr;
  WriteSet writes;
  ImageChange change;
  std::optional<ReplayRecord> replay;  // under the write's idempotency key
  std::vector<std::string> outdated;   // idempotency keys that go
};

absl::StatusOr<stages::UpsertResult> StoredCollection::Write(const std::string& embedder_digest,
                                                             stages::Upsert upsert,
                                                             const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(ValidateUpsert(config(), embedder_digest, upsert));
  const std::string content =
      upsert.idempotency_key.empty() ? "" : ContentOf(embedder_digest, upsert);
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    PendingWrite write;
    write.upsert = &upsert;
    write.call = &call;
    write.idempotency_key = upsert.idempotency_key;
    write.content = content;
    // Looked for once more when it leads or is led; here so that a write is answered although what
    // it wrote to has gone since.
    RAGMESH_ASSIGN_OR_RETURN(const bool replayed, Replay(&write));
    if (replayed) return write.upserted;
    std::string title;
    if (upsert.document.has_value()) {
      title = upsert.document->info.title;
    } else {
      const std::string& document_id = upsert.chunks[0].document_id;
      const auto image = this->image();
      const auto index = image->FindDocument(document_id);
      if (!index.has_value()) {
        return NotFound("document", document_id,
                        "Write the document before chunks that are to be added to it.");
      }
      const ImageView view = image->View({});
      title = view.documents[*index].title;
      write.expected_document = view.documents[*index].number;
    }
    RAGMESH_ASSIGN_OR_RETURN(write.prepared, Prepare(upsert, title, call));
    RAGMESH_RETURN_IF_ERROR(Submit(&write));
    if (!write.stale) return write.upserted;
  }
  return Unavailable("CONTENDED", "the document is being rewritten by others all the time",
                     "Try again.");
}

absl::StatusOr<stages::DeleteResult> StoredCollection::Delete(const stages::DeleteSelector& what,
                                                              const std::string& idempotency_key,
                                                              const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(ValidateIdempotencyKey(idempotency_key));
  if (const auto* chunks = std::get_if<stages::ChunkIds>(&what)) {
    RAGMESH_RETURN_IF_ERROR(ValidateIds("chunk_ids", chunks->ids));
  } else if (const auto* documents = std::get_if<stages::DocumentIds>(&what)) {
    RAGMESH_RETURN_IF_ERROR(ValidateIds("document_ids", documents->ids));
  } else {
    RAGMESH_RETURN_IF_ERROR(ValidateFilter(std::get<stages::Filter>(what)));
  }
  PendingWrite write;
  write.selector = &what;
  write.call = &call;
  write.idempotency_key = idempotency_key;
  if (!idempotency_key.empty()) write.content = ContentOf(what);
  RAGMESH_RETURN_IF_ERROR(Submit(&write));
  return write.deleted;
}

absl::StatusOr<StoredCollection::PreparedChunk> StoredCollection::PrepareChunk(
    const stages::StoredChunk& stored, std::size_t index, absl::string_view title) const {
  PreparedChunk prepared;
  prepared.content_sha256 = Sha256Hex(stages::EmbeddingText(stored.chunk));
  if (!stored.content_sha256.empty() && stored.content_sha256 != prepared.content_sha256) {
    return InvalidField(absl::StrCat("chunks[", index, "].content_sha256"),
                        "is not the SHA-256 of the chunk's context and text",
                        "Leave it empty to have it computed.");
  }
  prepared.terms = IndexedTerms(analyzer_, title, stored.chunk);
  return prepared;
}

// Analysis is most of the work of a write, so the parts of a large one are shared out.
absl::StatusOr<std::vector<StoredCollection::PreparedChunk>> StoredCollection::Prepare(
    const stages::Upsert& upsert, absl::string_view title, const CallContext& call) const {
  std::vector<PreparedChunk> prepared(upsert.chunks.size());
  absl::Mutex mutex;
  absl::Status first;  // the error of the lowest chunk, whoever meets it
  std::size_t first_index = upsert.chunks.size();
  const auto fail = [&](std::size_t index, const absl::Status& status) {
    absl::MutexLock lock(&mutex);
    if (index >= first_index && !first.ok()) return;
    first_index = index;
    first = status;
  };
  ForEachPart(resources_->prepare_executor, resources_->preparers, prepared.size(), kChunksPerCheck,
              [&](std::size_t begin, std::size_t end) {
                if (const absl::Status live = call.Check(); !live.ok()) return fail(0, live);
                for (std::size_t i = begin; i < end; ++i) {
                  auto chunk = PrepareChunk(upsert.chunks[i], i, title);
                  if (!chunk.ok()) return fail(i, chunk.status());
                  prepared[i] = *std::move(chunk);
                }
              });
  RAGMESH_RETURN_IF_ERROR(first);
  return prepared;
}

std::vector<StoredCollection::PendingWrite*> StoredCollection::TakeGroup() {
  std::vector<PendingWrite*> group;
  if (waiting_.size() == 1) {
    group.push_back(waiting_.front());
    waiting_.pop_front();
    return group;
  }
  absl::flat_hash_set<std::string> touched;  // "d" + document id, "c" + chunk id, "k" + key
  while (!waiting_.empty() && group.size() < kMaxGroup) {
    PendingWrite* write = waiting_.front();
    // What a delete touches shows only when it is planned, so it goes alone.
    if (write->selector != nullptr && !group.empty()) break;
    std::vector<std::string> names;
    if (write->upsert != nullptr) {
      names.push_back("d" + (write->upsert->document.has_value()
                                 ? write->upsert->document->id
                                 : write->upsert->chunks[0].document_id));
      for (const stages::StoredChunk& chunk : write->upsert->chunks)
        names.push_back("c" + chunk.id);
      if (!write->idempotency_key.empty()) names.push_back("k" + write->idempotency_key);
      if (std::any_of(names.begin(), names.end(),
                      [&](const auto& name) { return touched.contains(name); }))
        break;
    }
    touched.insert(names.begin(), names.end());
    group.push_back(write);
    waiting_.pop_front();
    if (write->selector != nullptr) break;
  }
  return group;
}

absl::Status StoredCollection::Submit(PendingWrite* write) {
  std::vector<PendingWrite*> group;
  {
    const auto turn = [this, write]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return write->done || (!leading_ && waiting_.front() == write);
    };
    absl::MutexLock lock(&mutex_);
    waiting_.push_back(write);
    mutex_.Await(absl::Condition(&turn));
    if (write->done) return write->status;
    leading_ = true;
    group = TakeGroup();
  }
  Lead(group);
  absl::MutexLock lock(&mutex_);
  leading_ = false;
  for (PendingWrite* member : group) member->done = true;
  return write->status;
}

void StoredCollection::Lead(absl::Span<PendingWrite* const> group) {
  const std::shared_ptr<Image> image = this->image();
  CollectionState state = state_;
  std::vector<Plan> plans;
  WriteSet writes;
  for (PendingWrite* write : group) {
    write->status = CheckAlive();
    if (write->status.ok()) write->status = write->call->Check();
    if (!write->status.ok()) continue;
    const auto replayed = Replay(write);
    write->status = replayed.status();
    if (!replayed.ok() || *replayed) continue;
    CollectionState after = state;
    auto plan = write->upsert != nullptr ? PlanUpsert(*image, write, &after)
                                         : PlanDelete(*image, write, &after);
    write->status = plan.status();
    if (!plan.ok() || write->stale || after.sequence == state.sequence) continue;
    state = after;
    if (!write->idempotency_key.empty()) PlanReplay(&*plan);
    writes.Append(std::move(plan->writes));
    plans.push_back(*std::move(plan));
  }
  if (plans.empty()) return;
  writes.Put(Family::kStates, CollectionKey(number_), Encode(state));
  const absl::Time begun = absl::Now();
  const absl::Status committed = resources_->database->Commit(writes);
  if (resources_->observer != nullptr)
    resources_->observer->Committed(plans.size(), absl::Now() - begun, committed);
  if (!committed.ok()) {
    for (const Plan& plan : plans) plan.write->status = committed;
    return;
  }
  state_ = state;
  for (Plan& plan : plans) {
    image->Apply(plan.change);
    if (!plan.replay.has_value()) continue;
    absl::MutexLock lock(&mutex_);
    for (const std::string& key : plan.outdated) replays_.Remove(key);
    replays_.Add(plan.write->idempotency_key, *std::move(plan.replay));
  }
  AfterCommit(image);
}

absl::StatusOr<bool> StoredCollection::Replay(PendingWrite* write) const {
  if (write->idempotency_key.empty()) return false;
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(
      const ReplayRecord* const record,
      replays_.Find(write->idempotency_key, write->content, resources_->clock->Now()));
  if (record == nullptr) return false;
  write->upserted = record->upserted;
  write->upserted.replayed = true;
  write->deleted = record->deleted;
  return true;
}

void StoredCollection::PlanReplay(Plan* plan) const {
  const PendingWrite& write = *plan->write;
  plan->replay = ReplayRecord{plan->change.sequence,     resources_->clock->Now(), write.content,
                              write.selector != nullptr, write.upserted,           write.deleted};
  {
    absl::MutexLock lock(&mutex_);
    plan->outdated = replays_.Outdated(plan->replay->committed);
  }
  for (const std::string& key : plan->outdated)
    plan->writes.Delete(Family::kReplays, ReplayKey(number_, key));
  plan->writes.Put(Family::kReplays, ReplayKey(number_, write.idempotency_key),
                   Encode(*plan->replay));
}

absl::Status StoredCollection::CheckMemory(const stages::Upsert& upsert) const {
  std::uint64_t more = 0;
  for (const auto& chunk : upsert.chunks)
    more += chunk.vector.size() * sizeof(float) + kTypicalChunkMemory;
  const auto check = [more](absl::string_view what, std::uint64_t taken,
                            std::uint64_t limit) -> absl::Status {
    if (limit == 0 || taken + more <= limit) return absl::OkStatus();
    return MakeError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat(what, " takes ", taken, " bytes of memory and would take ", taken + more,
                     ", the limit is ", limit),
        {.reason = "MEMORY_LIMIT",
         .next_step = "Delete documents or collections, or raise the store's memory limit.",
         .metadata = {{"limit", absl::StrCat(limit)}, {"taken", absl::StrCat(taken)}}});
  };
  RAGMESH_RETURN_IF_ERROR(check("the search image of the collection", counted_memory_bytes_,
                                resources_->max_collection_memory_bytes));
  return check("the search images of all collections together", resources_->memory_bytes,
               resources_->max_memory_bytes);
}

// Adds the removal of chunks to `plan`. Their terms are read back so that document frequencies stay
// exact.
absl::Status StoredCollection::PlanRemoval(const ImageView& view,
                                           absl::Span<const std::uint32_t> slots,
                                           Plan* plan) const {
  std::vector<std::string> keys;
  for (const std::uint32_t slot : slots) keys.push_back(ItemKey(number_, view.chunks[slot].number));
  RAGMESH_ASSIGN_OR_RETURN(auto entries, resources_->database->MultiGet(Family::kIndex, keys));
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!entries[i].has_value())
      return Corrupt("index entry", "is missing", "Restore the store from a snapshot.");
    RAGMESH_ASSIGN_OR_RETURN(IndexEntry entry, DecodeIndexEntry(*entries[i]));
    plan->change.removed_chunks.push_back({slots[i], std::move(entry.terms)});
    for (const Family family :
         {Family::kChunks, Family::kIndex, Family::kVectors, Family::kTokens}) {
      plan->writes.Delete(family, keys[i]);
    }
  }
  return absl::OkStatus();
}

void StoredCollection::PlanDocumentRemoval(const ImageView& view, std::uint32_t document,
                                           Plan* plan) const {
  const std::string key = ItemKey(number_, view.documents[document].number);
  plan->writes.Delete(Family::kDocuments, key);
  plan->writes.Delete(Family::kTexts, key);
  plan->change.removed_documents.push_back(document);
}

absl::StatusOr<StoredCollection::Plan> StoredCollection::PlanUpsert(const Image& image,
                                                                    PendingWrite* write,
                                                                    CollectionState* state) const {
  stages::Upsert& upsert = *write->upsert;
  RAGMESH_RETURN_IF_ERROR(CheckMemory(upsert));
  Plan plan;
  plan.write = write;
  const ImageView view = image.View({});
  const std::string& document_id =
      upsert.document.has_value() ? upsert.document->id : upsert.chunks[0].document_id;
  const auto existing = image.FindDocument(document_id);
  std::uint64_t document_number = 0;
  std::string document_name;
  std::vector<std::uint32_t> removed;
  if (upsert.document.has_value()) {
    DocumentRecord record{*upsert.document, upsert.document->text.size(),
                          Sha256Hex(upsert.document->text)};
    stages::StoredDocument& document = record.document;
    document.text.clear();
    document.updated = resources_->clock->Now();
    if (const absl::Duration retention = config().retention;
        !document.expires.has_value() && retention > absl::ZeroDuration())
      document.expires = document.updated + retention;
    document.version = 1;
    if (existing.has_value()) {
      const ImageDocument& old = view.documents[*existing];
      const bool changed =
          old.sha256 != document.info.sha256 || old.text_sha256 != record.text_sha256;
      document.version = old.version + (changed ? 1 : 0);
      removed = *image.ChunksOf(*existing);
      PlanDocumentRemoval(view, *existing, &plan);
    }
    document_number = state->next_document++;
    document_name = document.name;
    write->upserted.document_version = document.version;
    const std::string key = ItemKey(number_, document_number);
    plan.writes.Put(Family::kDocuments, key, Encode(record));
    plan.writes.Put(Family::kTexts, key, EncodeText(upsert.document->text));
    if (record.document.expires.has_value()) {
      plan.writes.Put(Family::kMeta, ExpiryKey(number_, *record.document.expires, document_number),
                      EncodeCounter(document_number));
    }
    plan.change.document = std::move(record);
    plan.change.document_number = document_number;
  } else {
    if (!existing.has_value() || view.documents[*existing].number != *write->expected_document) {
      write->stale = true;
      return plan;
    }
    const ImageDocument& owner = view.documents[*existing];
    document_number = owner.number;
    document_name = owner.name;
    write->upserted.document_version = owner.version;
    plan.change.target = *existing;
    for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
      if (upsert.chunks[i].chunk.range.end > owner.text_bytes) {
        return InvalidField(absl::StrCat("chunks[", i, "].range"),
                            "ends beyond the document's text");
      }
    }
  }
  for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
    stages::StoredChunk& stored = upsert.chunks[i];
    if (const auto slot = image.FindChunk(stored.id); slot.has_value()) {
      // A chunk of this document is replaced; a chunk of another is not ours to take.
      if (view.chunks[*slot].document != existing) return AlreadyExists("chunk", stored.id);
      if (!upsert.document.has_value()) removed.push_back(*slot);
    }
    stored.document_id = document_id;
    stored.document_version = write->upserted.document_version;
    stored.document_name = document_name;
    stored.content_sha256 = write->prepared[i].content_sha256;
    const std::uint64_t number = state->next_chunk++;
    const std::string key = ItemKey(number_, number);
    plan.writes.Put(Family::kChunks, key, Encode(ChunkRecord{stored, document_number}));
    plan.writes.Put(Family::kIndex, key,
                    Encode(IndexEntry{stored.id, document_number, stored.chunk.ordinal,
                                      write->prepared[i].terms}));
    if (!stored.vector.empty()) plan.writes.Put(Family::kVectors, key, EncodeVector(stored.vector));
    if (!stored.tokens.empty()) plan.writes.Put(Family::kTokens, key, Encode(stored.tokens));
    plan.change.new_chunks.push_back(
        {stored.id, number, stored.chunk.ordinal, stored.vector, &write->prepared[i].terms});
  }
  RAGMESH_RETURN_IF_ERROR(PlanRemoval(view, removed, &plan));
  *state->documents += upsert.document.has_value() && !existing.has_value() ? 1 : 0;
  *state->chunks += upsert.chunks.size() - removed.size();  // wraps around, as it should
  plan.change.sequence = ++state->sequence;
  write->upserted.sequence = state->sequence;
  write->upserted.chunks_written = static_cast<std::uint32_t>(upsert.chunks.size());
  write->upserted.chunks_removed = static_cast<std::uint32_t>(removed.size());
  return plan;
}

absl::StatusOr<StoredCollection::Plan> StoredCollection::PlanDelete(const Image& image,
                                                                    PendingWrite* write,
                                                                    CollectionState* state) const {
  Plan plan;
  plan.write = write;
  const ImageView view = image.View({});
  absl::flat_hash_set<std::uint32_t> documents;
  absl::flat_hash_set<std::uint32_t> slots;
  if (const auto* chunks = std::get_if<stages::ChunkIds>(write->selector)) {
    for (const std::string& id : chunks->ids) {
      if (const auto slot = image.FindChunk(id); slot.has_value()) slots.insert(*slot);
    }
  } else if (const auto* ids = std::get_if<stages::DocumentIds>(write->selector)) {
    for (const std::string& id : ids->ids) {
      const auto index = image.FindDocument(id);
      if (index.has_value() &&
          (write->only == nullptr || write->only->contains(view.documents[*index].number)))
        documents.insert(*index);
    }
  } else {
    const auto& filter = std::get<stages::Filter>(*write->selector);
    for (std::uint32_t index = 0; index < view.documents.size(); ++index) {
      if (index % 1024 == 0) RAGMESH_RETURN_IF_ERROR(write->call->Check());
      if (view.live_documents.Contains(index) && Matches(filter, view.documents[index].subject())) {
        documents.insert(index);
      }
    }
  }
  for (const std::uint32_t document : documents) {
    PlanDocumentRemoval(view, document, &plan);
    const auto chunks = image.ChunksOf(document);
    slots.insert(chunks->begin(), chunks->end());
  }
  std::vector<std::uint32_t> removed(slots.begin(), slots.end());
  std::sort(removed.begin(), removed.end());
  RAGMESH_RETURN_IF_ERROR(PlanRemoval(view, removed, &plan));
  // A delete under a key counts even when it finds nothing: sent again it must find nothing too.
  if (!documents.empty() || !slots.empty() || !write->idempotency_key.empty())
    plan.change.sequence = ++state->sequence;
  *state->documents -= documents.size();
  *state->chunks -= slots.size();
  write->deleted = {documents.size(), slots.size(), state->sequence};
  return plan;
}

// Here because it is a write like any other, which others may come before: a document that was
// written anew meanwhile has another number, and stays.
absl::StatusOr<std::uint64_t> StoredCollection::Expire(absl::Time now, const CallContext& call) {
  std::uint64_t gone = 0;
  while (true) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_ASSIGN_OR_RETURN(const DueDocuments due, FindDue(*resources_->database, number_, now));
    if (due.keys.empty()) return gone;
    if (!due.ids.ids.empty()) {
      const stages::DeleteSelector what = due.ids;
      PendingWrite write;
      write.selector = &what;
      write.only = &due.numbers;
      write.call = &call;
      RAGMESH_RETURN_IF_ERROR(Submit(&write));
      gone += write.deleted.documents;
    }
    WriteSet done;
    for (const std::string& key : due.keys) done.Delete(Family::kMeta, key);
    RAGMESH_RETURN_IF_ERROR(resources_->database->Commit(done));
  }
}

void StoredCollection::AfterCommit(const std::shared_ptr<Image>& image) {
  if (image->WantsCompaction()) {
    std::shared_ptr<Image> compacted = image->Compacted();
    absl::MutexLock lock(&mutex_);
    image_ = std::move(compacted);
  }
  CountMemory(this->image()->Stats().memory_bytes);
}

absl::Status StoredCollection::Remove() {
  {
    // Taking the leader's place keeps writes out while the collection goes.
    const auto free = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !leading_; };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&free));
    if (removed_) return NotFound("collection", record_.config.id.name);
    WriteSet writes;
    writes.Delete(Family::kCollections, CollectionKey(number_));
    writes.Delete(Family::kStates, CollectionKey(number_));
    writes.Put(Family::kMeta, DroppedKey(number_), EncodeCounter(number_));
    RAGMESH_RETURN_IF_ERROR(resources_->database->Commit(writes));
    removed_ = true;
  }
  // It is deleted whatever becomes of this: what is left goes at the next open.
  PurgeCollection(resources_->database, number_).IgnoreError();
  return absl::OkStatus();
}

}  // namespace ragmesh::vector_store
