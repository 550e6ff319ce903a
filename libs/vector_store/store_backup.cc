// The part of Store that is for its operator: snapshots, and collections that leave and come.
#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/backup/collection_archive.h"
#include "libs/backup/manifest.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/lexical/analyzer.h"
#include "libs/vector_store/collection_transfer.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/limits.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/snapshot.h"
#include "libs/vector_store/store.h"
#include "libs/vector_store/stored_collection.h"
#include "libs/vector_store/validation.h"

namespace ragmesh::vector_store {
namespace {

// What of `limit` is left beside `taken`; 0: no bound.
std::uint64_t Left(std::uint64_t limit, std::uint64_t taken) {
  return limit == 0 ? 0 : std::max<std::uint64_t>(1, limit > taken ? limit - taken : 0);
}

}  // namespace

std::string Store::snapshot_folder() const {
  return options_.snapshot_folder.empty() ? absl::StrCat(options_.path, "/snapshots")
                                          : options_.snapshot_folder;
}

absl::StatusOr<stages::StoreSnapshot> Store::CreateSnapshot(const std::string& name,
                                                            const CallContext& call) {
  return TakeSnapshot(database_.get(), snapshot_folder(), name, options_.clock->Now(),
                      options_.version, call);
}

absl::StatusOr<std::vector<stages::StoreSnapshot>> Store::ListSnapshots(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  return vector_store::ListSnapshots(snapshot_folder());
}

absl::Status Store::ExportCollection(const stages::CollectionId& id, stages::ArchiveSink sink,
                                     const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(Find(id, call).status());
  return vector_store::ExportCollection(*database_, id, options_.clock->Now(), options_.version,
                                        std::move(sink), call);
}

// A number that is in use, and noted as dropped: what lies under it goes at the next open.
absl::StatusOr<std::uint32_t> Store::ReserveNumber(const stages::CollectionId& id) {
  absl::MutexLock lock(&mutex_);
  RAGMESH_RETURN_IF_ERROR(CheckFree(id));
  const std::uint32_t number = next_collection_;
  WriteSet writes;
  writes.Put(Family::kMeta, kNextCollectionKey, EncodeCounter(number + 1));
  writes.Put(Family::kMeta, DroppedKey(number), EncodeCounter(number));
  RAGMESH_RETURN_IF_ERROR(database_->Commit(writes));
  next_collection_ = number + 1;
  return number;
}

absl::StatusOr<stages::Collection> Store::ImportCollection(const stages::CollectionId& id,
                                                           const std::string& manifest_sha256,
                                                           stages::ArchiveSource source,
                                                           const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_RETURN_IF_ERROR(ValidateId(id));
  RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t number, ReserveNumber(id));
  auto made = ImportAs(number, id, manifest_sha256, std::move(source), call);
  // What this leaves behind goes at the next open.
  if (!made.ok()) PurgeCollection(database_.get(), number).IgnoreError();
  return made;
}

absl::StatusOr<stages::Collection> Store::ImportAs(std::uint32_t number,
                                                   const stages::CollectionId& id,
                                                   const std::string& manifest_sha256,
                                                   stages::ArchiveSource source,
                                                   const CallContext& call) {
  const std::uint64_t all = Left(options_.max_memory_bytes, resources_->memory_bytes.load());
  const std::uint64_t own = options_.max_collection_memory_bytes;
  CollectionImport import(database_.get(), number, id,
                          all == 0 || own == 0 ? all + own : std::min(all, own));
  // Whoever has the key has looked at the signature; this checks all that is signed.
  backup::ArchiveReader reader(std::move(source), backup::Signed::kUnchecked, nullptr);
  RAGMESH_RETURN_IF_ERROR(import.Run(&reader, call));
  if (!manifest_sha256.empty() && reader.manifest_sha256() != manifest_sha256)
    return backup::Damaged("manifest", "is another than the one that was checked");
  WriteSet state;
  state.Put(Family::kStates, CollectionKey(number), Encode(import.state()));
  RAGMESH_RETURN_IF_ERROR(database_->Commit(state));
  RAGMESH_ASSIGN_OR_RETURN(auto collection,
                           StoredCollection::Load(number, import.record(), resources_.get()));
  if (options_.max_memory_bytes > 0 && resources_->memory_bytes > options_.max_memory_bytes) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     absl::StrCat("the search images would take ", resources_->memory_bytes.load(),
                                  " bytes of memory, the limit is ", options_.max_memory_bytes),
                     {.reason = "MEMORY_LIMIT",
                      .next_step = "Delete collections, or raise the store's memory limit."});
  }
  absl::MutexLock names(&names_mutex_);
  absl::MutexLock lock(&mutex_);
  RAGMESH_RETURN_IF_ERROR(CheckFree(id));
  WriteSet shown;
  shown.Put(Family::kCollections, CollectionKey(number), Encode(import.record()));
  shown.Delete(Family::kMeta, DroppedKey(number));
  RAGMESH_RETURN_IF_ERROR(database_->Commit(shown));
  collections_[Name(id.tenant, id.name)] = collection;
  numbered_[number] = collection;
  return collection->Describe();
}

}  // namespace ragmesh::vector_store
