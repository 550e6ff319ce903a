// The writing half of StoredCollection.
//
// A write is prepared on its caller's thread (collection_prepare.cc), then joins a queue. Who leads
// plans every write of its group against the image, commits them in one synced batch, and shows
// them in the image in order. Group members never touch the same document or chunk, so each plan
// holds whatever the others do.
#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/for_each_part.h"
#include "libs/vector_store/due_documents.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/give_way.h"
#include "libs/vector_store/pending_write.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/validation.h"
#include "libs/vector_store/writer_pause.h"

namespace ragmesh::vector_store {
namespace {

constexpr int kMaxAttempts = 16;

// Memory a chunk takes besides its vector, estimated before it is there: terms of some hundred
// words, ids, look-ups.
constexpr std::uint64_t kTypicalChunkMemory = 1500;

// Chunks of a write that takes milliseconds, so that a search had better not wait for it.
constexpr std::size_t kLongWrite = 64;

// Chunks of a group that are put in place while another thread commits: fewer take less time than
// to wake it.
constexpr std::size_t kWorthAHelper = 8;

}  // namespace

struct StoredCollection::Plan {
  PendingWrite* write = nullptr;
  WriteSet writes;
  ImageChange change;
  std::optional<ReplayRecord> replay;  // under the write's idempotency key
  std::vector<std::string> outdated;   // idempotency keys that go
  std::vector<std::string> touched;    // documents that change, while somebody follows
};

absl::Status NamesMoved() {
  return MakeError(absl::StatusCode::kAborted, "a name moved while the write waited",
                   {.reason = "NAMES_MOVED", .next_step = "Write again."});
}

bool IsNamesMoved(const absl::Status& status) {
  if (!absl::IsAborted(status)) return false;
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason == "NAMES_MOVED";
}

absl::StatusOr<stages::UpsertResult> StoredCollection::Write(const std::string& embedder_digest,
                                                             const std::string& content,
                                                             stages::Upsert& upsert,
                                                             std::uint64_t names,
                                                             const CallContext& call) {
  std::optional<LongWork> long_work;
  if (upsert.chunks.size() >= kLongWrite) long_work.emplace();
  RAGMESH_RETURN_IF_ERROR(ValidateOutline(config(), embedder_digest, upsert));
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    PendingWrite write;
    write.upsert = &upsert;
    write.call = &call;
    write.names = names;
    write.idempotency_key = upsert.idempotency_key;
    write.content = content;
    // Looked for once more when it leads or is led; here so that a write is answered although what
    // it wrote to has gone since.
    RAGMESH_ASSIGN_OR_RETURN(const bool replayed, Replay(&write));
    if (replayed) return write.upserted;
    RAGMESH_RETURN_IF_ERROR(Prepare(&write));
    RAGMESH_RETURN_IF_ERROR(Submit(&write));
    if (!write.stale) return write.upserted;
  }
  return Unavailable("CONTENDED", "the document is being rewritten by others all the time",
                     "Try again.");
}

absl::StatusOr<stages::DeleteResult> StoredCollection::Delete(const stages::DeleteSelector& what,
                                                              const std::string& idempotency_key,
                                                              std::uint64_t names,
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
  write.alone = true;  // what it touches shows only when it is planned
  write.selector = &what;
  write.call = &call;
  write.names = names;
  write.idempotency_key = idempotency_key;
  if (!idempotency_key.empty()) write.content = ContentOf(what);
  RAGMESH_RETURN_IF_ERROR(Submit(&write));
  return write.deleted;
}

absl::Status StoredCollection::Submit(PendingWrite* write) {
  const std::vector<WriteQueue::Entry*> group = queue_.Join(write);
  if (group.empty()) return write->status;
  Lead(group);
  absl::Status status = write->status;
  queue_.Finish(group);
  return status;
}

void StoredCollection::Lead(absl::Span<WriteQueue::Entry* const> group) {
  const ImageView view = image_->View({{stages::kAllLabels}});
  CollectionState state = state_;
  std::vector<Plan> plans;
  WriteSet writes;
  for (WriteQueue::Entry* const entry : group) {
    auto* const write = static_cast<PendingWrite*>(entry);
    write->status = CheckAlive();
    if (write->status.ok()) write->status = write->call->Check();
    if (write->status.ok() && write->names != resources_->names) write->status = NamesMoved();
    if (!write->status.ok()) continue;
    const auto replayed = Replay(write);
    write->status = replayed.status();
    if (!replayed.ok() || *replayed) continue;
    CollectionState after = state;
    auto plan = write->upsert != nullptr ? PlanUpsert(view, write, &after)
                                         : PlanDelete(view, write, &after);
    write->status = plan.status();
    if (!plan.ok() || write->stale || after.sequence == state.sequence) continue;
    state = after;
    if (!write->idempotency_key.empty()) PlanReplay(&*plan);
    writes.Append(std::move(plan->writes));
    plans.push_back(*std::move(plan));
  }
  if (plans.empty()) return;
  // What is given out was given before it was prepared.
  const NumberPair next = numbers_.next();
  state.next_document = next.document;
  state.next_chunk = next.chunk;
  writes.Put(Family::kStates, CollectionKey(number_), Encode(state));
  std::vector<Image::Placed> placed;
  const absl::Status committed = CommitAndPlace(writes, plans, &placed);
  if (!committed.ok()) {
    for (const Plan& plan : plans) plan.write->status = committed;
    return;
  }
  state_ = state;
  for (std::size_t i = 0; i < plans.size(); ++i) {
    Plan& plan = plans[i];
    image_->Show(plan.change, std::move(placed[i]));
    if (!plan.touched.empty())
      changes_.Note(plan.change.sequence, std::move(plan.touched), resources_->clock->Now());
    if (!plan.replay.has_value()) continue;
    absl::MutexLock lock(&mutex_);
    for (const std::string& key : plan.outdated) replays_.Remove(key);
    replays_.Add(plan.write->idempotency_key, *std::move(plan.replay));
  }
  AfterCommit();
}

// What is large is put in place while it is stored. From the commit on, records of what goes are
// gone, and searches that hold to them wait until the change is shown, so little may be left then.
absl::Status StoredCollection::CommitAndPlace(const WriteSet& writes, absl::Span<const Plan> plans,
                                              std::vector<Image::Placed>* placed) {
  // Nothing is put in place that would stay unseen: refused writes may be many.
  if (const absl::Status refused = resources_->database->CheckCommit(writes); !refused.ok()) {
    if (resources_->observer != nullptr)
      resources_->observer->Committed(plans.size(), absl::ZeroDuration(), refused);
    return refused;
  }
  std::vector<const ImageChange*> changes;
  std::size_t chunks = 0;
  for (const Plan& plan : plans) {
    changes.push_back(&plan.change);
    chunks += plan.change.new_chunks.size();
  }
  absl::Status committed;
  const auto work = [&](std::size_t part, std::size_t) {
    if (part == 0) {
      *placed = image_->Place(changes);
      // Freed here, since the other thread still commits and there are many of them.
      for (const Plan& plan : plans) plan.write->terms = {};
      return;
    }
    const absl::Time begun = absl::Now();
    committed = resources_->database->Commit(writes);
    if (resources_->observer != nullptr)
      resources_->observer->Committed(plans.size(), absl::Now() - begun, committed);
  };
  const int helpers = chunks < kWorthAHelper ? 0 : std::min(resources_->idle_preparers(), 1);
  ForEachPart(resources_->prepare_executor, helpers, 2, 1, work);
  return committed;
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
  for (const std::uint32_t slot : slots) keys.push_back(ItemKey(number_, view.chunk(slot).number));
  RAGMESH_ASSIGN_OR_RETURN(auto entries, resources_->database->MultiGet(Family::kIndex, keys));
  for (std::size_t i = 0; i < slots.size(); ++i) {
    if (!entries[i].has_value())
      return Corrupt("index entry", "is missing", "Restore the store from a snapshot.");
    RAGMESH_ASSIGN_OR_RETURN(IndexEntry entry, DecodeIndexEntry(*entries[i]));
    plan->change.removed_chunks.push_back({slots[i], std::move(entry.terms)});
    // A segment that has the chunk does not change; this says that it is gone, and its terms.
    if (view.IsFixed(slots[i])) {
      plan->writes.Put(Family::kRemoved, RemovedChunkKey(number_, view.chunk(slots[i]).number),
                       *entries[i]);
    }
    for (const Family family :
         {Family::kChunks, Family::kIndex, Family::kVectors, Family::kTokens}) {
      plan->writes.Delete(family, keys[i]);
    }
  }
  return absl::OkStatus();
}

absl::Status StoredCollection::PlanDocumentRemoval(const ImageView& view, std::uint32_t document,
                                                   CollectionState* state, Plan* plan) const {
  RAGMESH_ASSIGN_OR_RETURN(const auto record, view.Document(document));
  const std::uint64_t number = view.document_number(document);
  const std::string key = ItemKey(number_, number);
  plan->writes.Delete(Family::kDocuments, key);
  plan->writes.Delete(Family::kTexts, key);
  if (view.IsFixedDocument(document))
    plan->writes.Put(Family::kRemoved, RemovedDocumentKey(number_, number), EncodeCounter(number));
  plan->change.removed_documents.push_back(document);
  *state->text_bytes -= record->text_bytes;
  return absl::OkStatus();
}

absl::StatusOr<StoredCollection::Plan> StoredCollection::PlanUpsert(const ImageView& view,
                                                                    PendingWrite* write,
                                                                    CollectionState* state) const {
  stages::Upsert& upsert = *write->upsert;
  RAGMESH_RETURN_IF_ERROR(CheckMemory(upsert));
  Plan plan;
  plan.write = write;
  const std::string& document_id =
      upsert.document.has_value() ? upsert.document->id : upsert.chunks[0].document_id;
  const auto existing = view.FindDocument(document_id);
  const std::uint64_t number =
      existing.has_value() ? view.document_number(*existing) : 0;  // numbers begin at 1
  if (number != write->replaces.value_or(0)) {
    // Chunks are analysed with the title of their document, which may be another one now.
    if (!upsert.document.has_value()) {
      write->stale = true;
      return plan;
    }
    RAGMESH_RETURN_IF_ERROR(PrepareAgain(write));
  }
  std::vector<std::uint32_t> removed;
  if (!upsert.document.has_value()) {
    RAGMESH_ASSIGN_OR_RETURN(plan.change.document, view.Document(*existing));
  } else if (existing.has_value()) {
    removed = view.ChunksOf(number);
    RAGMESH_RETURN_IF_ERROR(PlanDocumentRemoval(view, *existing, state, &plan));
  }
  plan.change.new_chunks.reserve(upsert.chunks.size());
  for (std::size_t i = 0; i < upsert.chunks.size(); ++i) {
    const stages::StoredChunk& stored = upsert.chunks[i];
    if (const auto slot = view.FindChunk(stored.id); slot.has_value()) {
      // A chunk of this document is replaced; a chunk of another is not ours to take.
      if (view.chunk(*slot).document_number != number) return AlreadyExists("chunk", stored.id);
      if (!upsert.document.has_value()) removed.push_back(*slot);
    }
    plan.change.new_chunks.push_back({.id = stored.id,
                                      .number = write->numbers.first_chunk() + i,
                                      .ordinal = stored.chunk.ordinal,
                                      .vector = stored.vector,
                                      .terms = &write->terms[i]});
  }
  plan.writes.Append(std::move(write->records));
  if (write->document.has_value()) {
    *state->text_bytes += write->document->text_bytes;
    plan.change.document = ImageRecord(*std::move(write->document));
    plan.change.is_new = true;
  }
  plan.change.document_number = write->document_number;
  RAGMESH_RETURN_IF_ERROR(PlanRemoval(view, removed, &plan));
  if (changes_.active()) plan.touched.push_back(document_id);
  *state->documents += upsert.document.has_value() && !existing.has_value() ? 1 : 0;
  *state->chunks += upsert.chunks.size() - removed.size();  // wraps around, as it should
  plan.change.sequence = ++state->sequence;
  plan.change.text_bytes = *state->text_bytes;
  write->upserted.sequence = state->sequence;
  write->upserted.chunks_written = static_cast<std::uint32_t>(upsert.chunks.size());
  write->upserted.chunks_removed = static_cast<std::uint32_t>(removed.size());
  return plan;
}

absl::StatusOr<absl::flat_hash_set<std::uint32_t>> StoredCollection::DocumentsMatching(
    const ImageView& view, const stages::Filter& filter, const CallContext& call) const {
  RAGMESH_ASSIGN_OR_RETURN(const ChunkSets all, VisibleChunks(view, call));
  RAGMESH_ASSIGN_OR_RETURN(const ChunkSets matching, MatchingChunks(view, all, filter, call));
  absl::flat_hash_set<std::uint64_t> numbers;
  for (std::size_t i = 0; i < view.parts().size(); ++i) {
    const vector_index::SlotSet& rows = *matching.parts[i];
    for (std::uint32_t row = 0; row < rows.size(); ++row) {
      if (rows.Contains(row)) numbers.insert(view.parts()[i].part->chunk(row).document_number);
    }
  }
  absl::flat_hash_set<std::uint32_t> documents;
  std::uint32_t looked = 0;
  for (const std::uint32_t index : view.Documents()) {
    if (looked++ % 1024 == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
    const std::uint64_t number = view.document_number(index);
    bool matches = numbers.contains(number);
    if (!matches && view.ChunksOf(number).empty()) {  // nothing of it is in the sets
      RAGMESH_ASSIGN_OR_RETURN(matches, view.Sees(index, filter));
    }
    if (matches) documents.insert(index);
  }
  return documents;
}

absl::StatusOr<StoredCollection::Plan> StoredCollection::PlanDelete(const ImageView& view,
                                                                    PendingWrite* write,
                                                                    CollectionState* state) const {
  Plan plan;
  plan.write = write;
  absl::flat_hash_set<std::uint32_t> documents;
  absl::flat_hash_set<std::uint32_t> slots;
  if (const auto* chunks = std::get_if<stages::ChunkIds>(write->selector)) {
    for (const std::string& id : chunks->ids) {
      if (const auto slot = view.FindChunk(id); slot.has_value()) slots.insert(*slot);
    }
  } else if (const auto* ids = std::get_if<stages::DocumentIds>(write->selector)) {
    for (const std::string& id : ids->ids) {
      const auto index = view.FindDocument(id);
      if (index.has_value() &&
          (write->only == nullptr || write->only->contains(view.document_number(*index))))
        documents.insert(*index);
    }
  } else {
    RAGMESH_ASSIGN_OR_RETURN(
        documents,
        DocumentsMatching(view, std::get<stages::Filter>(*write->selector), *write->call));
  }
  for (const std::uint32_t document : documents) {
    RAGMESH_RETURN_IF_ERROR(PlanDocumentRemoval(view, document, state, &plan));
    const auto chunks = view.ChunksOf(view.document_number(document));
    slots.insert(chunks.begin(), chunks.end());
  }
  std::vector<std::uint32_t> removed(slots.begin(), slots.end());
  std::sort(removed.begin(), removed.end());
  if (changes_.active()) {
    absl::flat_hash_set<std::uint32_t> touched = documents;
    for (const std::uint32_t slot : removed) {
      const auto owner = view.FindNumber(view.chunk(slot).document_number);
      if (owner.has_value()) touched.insert(*owner);
    }
    for (const std::uint32_t document : touched)
      plan.touched.emplace_back(view.document_id(document));
  }
  RAGMESH_RETURN_IF_ERROR(PlanRemoval(view, removed, &plan));
  // A delete under a key counts even when it finds nothing: sent again it must find nothing too.
  if (!documents.empty() || !slots.empty() || !write->idempotency_key.empty())
    plan.change.sequence = ++state->sequence;
  plan.change.text_bytes = *state->text_bytes;
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
      write.alone = true;
      write.selector = &what;
      write.only = &due.numbers;
      write.call = &call;
      write.names = resources_->names;
      const absl::Status deleted = Submit(&write);
      if (IsNamesMoved(deleted)) continue;
      RAGMESH_RETURN_IF_ERROR(deleted);
      gone += write.deleted.documents;
    }
    WriteSet done;
    for (const std::string& key : due.keys) done.Delete(Family::kMeta, key);
    RAGMESH_RETURN_IF_ERROR(resources_->database->Commit(done));
  }
}

void StoredCollection::AfterCommit() {
  image_->CompactTail();
  CountMemory(image_->Stats().memory_bytes);
  if (resources_->sealer != nullptr && TailIsFull()) resources_->sealer->Wake(weak_from_this());
}

absl::Status StoredCollection::WhileNobodyWrites(absl::FunctionRef<absl::Status(std::uint64_t)> act,
                                                 const CallContext& call) {
  const WriterPause pause(this);
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(CheckAlive());
  return act(state_.sequence);
}

absl::StatusOr<stages::CollectionChanges> StoredCollection::ListChanges(
    std::optional<std::uint64_t> after, const CallContext& call) {
  absl::StatusOr<stages::CollectionChanges> changes = stages::CollectionChanges();
  RAGMESH_RETURN_IF_ERROR(WhileNobodyWrites(
      [&](std::uint64_t sequence) {
        const absl::Time now = resources_->clock->Now();
        if (after.has_value()) {
          changes = changes_.After(*after, sequence, now);
        } else {
          changes_.Begin(sequence, now);
          changes->sequence = sequence;
        }
        return changes.status();
      },
      call));
  return changes;
}

absl::Status StoredCollection::Remove(WriteSet also) {
  const WriterPause pause(this);
  absl::MutexLock lock(&mutex_);
  if (removed_) return NotFound("collection", record_.config.id.name);
  also.Delete(Family::kCollections, CollectionKey(number_));
  also.Delete(Family::kStates, CollectionKey(number_));
  also.Put(Family::kMeta, DroppedKey(number_), EncodeCounter(number_));
  RAGMESH_RETURN_IF_ERROR(resources_->database->Commit(also));
  removed_ = true;
  return absl::OkStatus();
}

}  // namespace ragmesh::vector_store
