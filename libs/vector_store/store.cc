#include "libs/vector_store/store.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/analyzer.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/dense_search.h"
#include "libs/vector_store/filter.h"
#include "libs/vector_store/give_way.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/part_records.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/sealer.h"
#include "libs/vector_store/store_observer.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

// Searches go before the preparation of large writes.
constexpr int kPreparersNice = 10;
constexpr std::size_t kMaxQueuedParts = 64;  // of writes; what does not fit is done by its caller

}  // namespace

Store::Store(const StoreOptions& options)
    : options_(options), segments_(options.path), resources_(std::make_unique<StoreResources>()) {
  resources_->clock = options.clock;
  resources_->kernels = options.kernels != nullptr ? options.kernels : &linalg::DefaultKernels();
  resources_->executor = options.executor;
  resources_->search_threads = options.search_threads;
  resources_->segments = &segments_;
  resources_->seal_rows = std::max(options.seal_rows, 1u);
  resources_->observer = options.observer.get();
  resources_->preparers = options.write_threads - 1;
  if (resources_->preparers > 0) {
    preparers_ = std::make_unique<ThreadPool>("prepare", resources_->preparers, kMaxQueuedParts);
    yielding_preparers_ = std::make_unique<YieldingExecutor>(preparers_.get(), kPreparersNice);
    resources_->prepare_executor = yielding_preparers_.get();
  }
  resources_->max_memory_bytes = options.max_memory_bytes;
  resources_->max_collection_memory_bytes = options.max_collection_memory_bytes;
}

Store::~Store() {
  resources_->sealer = nullptr;
  sealer_.reset();
  stop_sweeping_.Notify();
  if (sweeper_.joinable()) sweeper_.join();
  absl::MutexLock lock(&mutex_);
  numbered_.clear();
  collections_.clear();  // before what they borrow
}

absl::StatusOr<std::unique_ptr<Store>> Store::Open(const StoreOptions& options) {
  auto store = std::unique_ptr<Store>(new Store(options));
  const absl::Time begin = absl::Now();
  RAGMESH_ASSIGN_OR_RETURN(
      store->database_,
      Database::Open(options.path,
                     {.write_buffer_bytes = options.write_buffer_bytes,
                      .block_cache_bytes = options.block_cache_bytes,
                      .low_free_bytes = options.low_free_bytes,
                      .high_free_bytes = options.high_free_bytes,
                      .sync_beside_bytes = options.sync_beside_bytes,
                      .file_system = options.file_system,
                      .log_clock = options.archive.folder.empty() ? nullptr : options.clock}));
  if (!options.archive.folder.empty()) {
    LogArchiveOptions archive = options.archive;
    archive.release = options.version;
    store->archive_ = LogArchive::Open(store->database_.get(), archive, options.clock);
  }
  store->resources_->database = store->database_.get();
  const absl::Time opened = absl::Now();
  RAGMESH_RETURN_IF_ERROR(store->LoadCollections());
  store->report_.database_time = opened - begin;
  store->report_.image_time = absl::Now() - opened;
  store->sealer_ = std::make_unique<Sealer>();
  store->resources_->sealer = store->sealer_.get();
  for (const auto& [name, collection] : store->collections_) store->sealer_->Wake(collection);
  if (options.sweep_interval > absl::ZeroDuration()) store->StartSweeping();
  return store;
}

StoreHealth Store::Health() const {
  const DatabaseHealth health = database_->Health();
  StoreHealth all{resources_->memory_bytes.load(), health.free_bytes, health.disk_full,
                  health.read_only_reason.has_value()};
  if (archive_ != nullptr) {
    const LogArchive::Health archive = archive_->health();
    const std::uint64_t latest = database_->LatestSequence();
    all.archive_behind = latest > archive.sequence ? latest - archive.sequence : 0;
    all.archive_failing = !archive.status.ok();
  }
  return all;
}

// Files of segments that no collection has, of a writing that was cut short.
absl::Status Store::RemoveStraySegments() const {
  RAGMESH_RETURN_IF_ERROR(segments_.Create());
  std::set<std::string> kept;
  const auto at = database_->Walk(Family::kSegments, "");
  for (; at->Valid(); at->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t number, ParseCollectionKey(at->key()));
    const auto parts = DecodeParts(at->value());
    if (!parts.ok()) continue;  // its collection will forget them
    for (const SegmentRecord& segment : parts->segments)
      kept.insert(segments_.Stem(number, segment.number));
  }
  RAGMESH_RETURN_IF_ERROR(at->status());
  segments_.RemoveOthers(kept);
  return absl::OkStatus();
}

bool Store::AwaitSealed(absl::Time deadline) const { return sealer_->AwaitIdle(deadline); }

absl::Status Store::LoadCollections() {
  RAGMESH_RETURN_IF_ERROR(RemoveStraySegments());
  absl::MutexLock lock(&mutex_);
  RAGMESH_ASSIGN_OR_RETURN(const auto next, database_->Get(Family::kMeta, kNextCollectionKey));
  if (next.has_value()) {
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, DecodeCounter(*next));
    next_collection_ = static_cast<std::uint32_t>(number);
  }
  std::vector<std::uint32_t> dropped;
  const auto notes = database_->Walk(Family::kMeta, kDroppedPrefix);
  for (; notes->Valid(); notes->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, DecodeCounter(notes->value()));
    dropped.push_back(static_cast<std::uint32_t>(number));
  }
  RAGMESH_RETURN_IF_ERROR(notes->status());
  for (const std::uint32_t number : dropped)
    RAGMESH_RETURN_IF_ERROR(PurgeCollection(database_.get(), number));
  const auto records = database_->Walk(Family::kCollections, "");
  for (; records->Valid(); records->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t number, ParseCollectionKey(records->key()));
    RAGMESH_ASSIGN_OR_RETURN(const CollectionRecord record, DecodeCollection(records->value()));
    RAGMESH_ASSIGN_OR_RETURN(auto collection,
                             StoredCollection::Load(number, record, resources_.get()));
    if (options_.max_memory_bytes > 0 && resources_->memory_bytes > options_.max_memory_bytes) {
      return MakeError(
          absl::StatusCode::kResourceExhausted,
          absl::StrCat("the search images need more than ", options_.max_memory_bytes,
                       " bytes; collection ", record.config.id.tenant, "/", record.config.id.name,
                       " takes them to ", resources_->memory_bytes.load()),
          {.reason = "MEMORY_LIMIT", .next_step = "Raise the store's memory limit."});
    }
    const stages::CollectionStats stats = collection->Describe().stats;
    ++report_.collections;
    report_.documents += stats.documents;
    report_.chunks += stats.chunks;
    numbered_[number] = collection;
    collections_[Name(record.config.id.tenant, record.config.id.name)] = std::move(collection);
  }
  RAGMESH_RETURN_IF_ERROR(records->status());
  return LoadAliases();
}

absl::StatusOr<Store::Found> Store::Resolve(const stages::CollectionId& id,
                                            const CallContext& call) const {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(ValidateId(id));
  const Name name(id.tenant, id.name);
  absl::MutexLock lock(&mutex_);
  const auto it = collections_.find(name);
  if (it != collections_.end()) return Found{it->second, resources_->names};
  if (const AliasRecord* const alias = aliases_.Find(name); alias != nullptr) {
    auto collection = NumberedLocked(alias->collection);
    if (collection != nullptr) return Found{std::move(collection), resources_->names};
  }
  return NotFound("collection", id.name, "Create the collection first.");
}

absl::StatusOr<std::shared_ptr<StoredCollection>> Store::Find(const stages::CollectionId& id,
                                                              const CallContext& call) const {
  RAGMESH_ASSIGN_OR_RETURN(Found found, Resolve(id, call));
  return std::move(found.collection);
}

absl::Status Store::Snapshot(const std::string& path, const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  return database_->Checkpoint(path);
}

absl::Status Store::CheckFree(const stages::CollectionId& id) const {
  const Name name(id.tenant, id.name);
  if (collections_.contains(name) || aliases_.Find(name) != nullptr)
    return AlreadyExists("collection", id.name);
  if (collections_.size() < kMaxCollections) return absl::OkStatus();
  return LimitExceeded("collections", static_cast<long long>(collections_.size() + 1),
                       kMaxCollections, "collections");
}

absl::StatusOr<stages::Collection> Store::CreateCollection(const stages::CollectionConfig& config,
                                                           const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(ValidateConfig(config));
  absl::MutexLock names(&names_mutex_);
  // Held across the commit: creations are rare, and two of one name must not pass each other.
  absl::MutexLock lock(&mutex_);
  const Name name(config.id.tenant, config.id.name);
  RAGMESH_RETURN_IF_ERROR(CheckFree(config.id));
  const CollectionRecord record{config, options_.clock->Now(), lexical::Analyzer::Version()};
  const std::uint32_t number = next_collection_;
  WriteSet writes;
  writes.Put(Family::kMeta, kNextCollectionKey, EncodeCounter(number + 1));
  writes.Put(Family::kCollections, CollectionKey(number), Encode(record));
  writes.Put(Family::kStates, CollectionKey(number), Encode(CollectionState()));
  RAGMESH_RETURN_IF_ERROR(database_->Commit(writes));
  next_collection_ = number + 1;
  RAGMESH_ASSIGN_OR_RETURN(auto collection,
                           StoredCollection::Load(number, record, resources_.get()));
  collections_[name] = collection;
  numbered_[number] = collection;
  return collection->Describe();
}

absl::StatusOr<stages::Collection> Store::UpdateCollection(const stages::CollectionConfig& config,
                                                           const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(config.id, call));
  return collection->Update(config);
}

absl::StatusOr<stages::Collection> Store::GetCollection(const stages::CollectionId& id,
                                                        const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(id, call));
  return collection->Describe();
}

absl::StatusOr<std::vector<stages::Collection>> Store::ListCollections(const std::string& tenant,
                                                                       const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(ValidateTenant(tenant));
  std::vector<std::shared_ptr<StoredCollection>> found;
  {
    std::set<std::uint32_t> listed;  // one that is being renamed has two names
    absl::MutexLock lock(&mutex_);
    for (auto it = collections_.lower_bound(Name(tenant, ""));
         it != collections_.end() && it->first.first == tenant; ++it) {
      if (listed.insert(it->second->number()).second) found.push_back(it->second);
    }
  }
  std::vector<stages::Collection> collections;
  for (const auto& collection : found) collections.push_back(collection->Describe());
  return collections;
}

absl::StatusOr<stages::UpsertResult> Store::Write(const stages::CollectionId& id,
                                                  const std::string& embedder_digest,
                                                  stages::Upsert upsert, const CallContext& call) {
  // Of what the caller gave: a write sets versions and names in it, and may have to begin anew.
  const std::string content =
      upsert.idempotency_key.empty() ? "" : ContentOf(embedder_digest, upsert);
  while (true) {
    RAGMESH_ASSIGN_OR_RETURN(const Found found, ResolveToWrite(id, call));
    auto result = found.collection->Write(embedder_digest, content, upsert, found.names, call);
    if (!IsNamesMoved(result.status())) return result;
  }
}

absl::StatusOr<stages::DeleteResult> Store::Delete(const stages::CollectionId& id,
                                                   const stages::DeleteSelector& what,
                                                   const CallContext& call) {
  return DeleteOnce(id, what, /*idempotency_key=*/"", call);
}

absl::StatusOr<stages::DeleteResult> Store::DeleteOnce(const stages::CollectionId& id,
                                                       const stages::DeleteSelector& what,
                                                       const std::string& idempotency_key,
                                                       const CallContext& call) {
  while (true) {
    RAGMESH_ASSIGN_OR_RETURN(const Found found, ResolveToWrite(id, call));
    auto result = found.collection->Delete(what, idempotency_key, found.names, call);
    if (!IsNamesMoved(result.status())) return result;
  }
}

absl::StatusOr<stages::StoredDocument> Store::GetDocument(
    const stages::CollectionId& id, const std::string& document_id,
    const std::vector<std::string>& principal_labels, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(id, call));
  return collection->GetDocument(document_id, principal_labels, call);
}

absl::StatusOr<stages::DocumentPage> Store::ListDocuments(
    const stages::CollectionId& id, const std::optional<stages::Filter>& filter,
    const std::vector<std::string>& principal_labels, const stages::Page& page,
    const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(id, call));
  return collection->ListDocuments(filter, principal_labels, page, call);
}

absl::StatusOr<std::vector<stages::StoredChunk>> Store::GetChunks(
    const stages::CollectionId& id, const std::vector<std::string>& chunk_ids,
    const std::vector<std::string>& principal_labels, stages::ChunkParts parts,
    const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(id, call));
  return collection->GetChunks(chunk_ids, principal_labels, parts, call);
}

absl::StatusOr<stages::ChunkPage> Store::ListChunks(
    const stages::CollectionId& id, const std::string& document_id,
    const std::vector<std::string>& principal_labels, stages::ChunkParts parts,
    const stages::Page& page, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(id, call));
  return collection->ListChunks(document_id, principal_labels, parts, page, call);
}

absl::StatusOr<std::uint64_t> Store::SweepExpired(const CallContext& call) {
  std::vector<std::shared_ptr<StoredCollection>> collections;
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [name, collection] : collections_) collections.push_back(collection);
  }
  const absl::Time now = options_.clock->Now();
  std::uint64_t gone = 0;
  absl::Status first;
  for (const auto& collection : collections) {
    const auto expired = collection->Expire(now, call);
    if (expired.ok()) gone += *expired;
    // A collection that was deleted meanwhile has nothing to expire.
    else if (first.ok() && !absl::IsNotFound(expired.status()))
      first = expired.status();
  }
  if (gone > 0 && resources_->observer != nullptr) resources_->observer->Expired(gone);
  if (!first.ok()) return first;
  return gone;
}

absl::Status Store::ShipArchive() {
  if (archive_ == nullptr) return WrongState("NO_ARCHIVE", "the store has no archive");
  return archive_->Ship();
}

// What a sweep could not do, a full disk or a store that is read-only, the next one tries again.
void Store::StartSweeping() {
  sweeper_ = std::thread([this] {
    const CallContext call(absl::InfiniteFuture());
    do {
      SweepExpired(call).IgnoreError();
    } while (!stop_sweeping_.WaitForNotificationWithTimeout(options_.sweep_interval));
  });
}

absl::StatusOr<std::uint64_t> Store::CountChunks(const stages::CollectionId& id,
                                                 const std::optional<stages::Filter>& filter,
                                                 const std::vector<std::string>& principal_labels,
                                                 const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(id, call));
  return collection->CountChunks(filter, principal_labels, call);
}

absl::StatusOr<stages::SearchResult> Store::Search(const stages::SearchRequest& request,
                                                   const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto collection, Find(request.collection, call));
  return collection->Search(request, call);
}

absl::StatusOr<stages::StageInfo> Store::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  stages::StageInfo info;
  info.stage = "vector-store";
  info.version = options_.version;
  info.commit = options_.commit;
  info.kernel = resources_->kernels->name;
  info.ready = true;
  info.limits = {{"max_collections", kMaxCollections},
                 {"max_chunks_per_write", kMaxChunksPerWrite},
                 {"max_write_bytes", kMaxWriteBytes},
                 {"max_document_text_bytes", kMaxTextBytes},
                 {"max_chunk_text_bytes", kMaxChunkBytes},
                 {"max_id_bytes", kMaxIdBytes},
                 {"max_metadata_fields", kMaxMetadataFields},
                 {"max_metadata_bytes", kMaxMetadataBytes},
                 {"max_document_labels", kMaxLabels},
                 {"max_principal_labels", kMaxPrincipalLabels},
                 {"max_dimension", kMaxDimension},
                 {"max_query_bytes", kMaxQueryBytes},
                 {"max_top_k", kMaxTopK},
                 {"max_page_size", kMaxPageSize},
                 {"max_ids_per_call", kMaxIdsPerCall},
                 {"max_filter_depth", kMaxFilterDepth},
                 {"max_filter_nodes", kMaxFilterNodes},
                 {"max_idempotency_key_bytes", kMaxIdempotencyKeyBytes},
                 {"max_idempotency_keys", kMaxReplays},
                 {"max_memory_bytes", static_cast<std::int64_t>(options_.max_memory_bytes)},
                 {"max_collection_memory_bytes",
                  static_cast<std::int64_t>(options_.max_collection_memory_bytes)},
                 {"memory_bytes", static_cast<std::int64_t>(resources_->memory_bytes.load())},
                 {"disk_bytes", static_cast<std::int64_t>(database_->disk_bytes())}};
  info.features = {{"storage", absl::StrCat("RocksDB ", Database::Version())},
                   {"format", absl::StrCat(kFormatVersion)},
                   {"analysis", lexical::Analyzer::Version()},
                   {"dense_index", absl::StrCat("all of up to ", vector_index::kFewRows,
                                                " chunks, then lists of sign codes")}};
  const DatabaseHealth health = database_->Health();
  info.limits["free_bytes"] = static_cast<std::int64_t>(health.free_bytes);
  info.limits["sequence"] = static_cast<std::int64_t>(database_->LatestSequence());
  info.limits["low_free_bytes"] = static_cast<std::int64_t>(options_.low_free_bytes);
  info.limits["high_free_bytes"] = static_cast<std::int64_t>(options_.high_free_bytes);
  if (health.disk_full) info.features["disk_full"] = "deletes only";
  if (health.read_only_reason.has_value()) info.features["read_only"] = *health.read_only_reason;
  return info;
}

}  // namespace ragmesh::vector_store
