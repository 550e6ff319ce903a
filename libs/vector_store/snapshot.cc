#include "libs/vector_store/snapshot.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/backup/snapshot_folder.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxNameBytes = 128;

absl::Status CheckName(absl::string_view name) {
  const bool sound = !name.empty() && name.size() <= kMaxNameBytes && name[0] != '.' &&
                     std::all_of(name.begin(), name.end(), [](unsigned char c) {
                       return absl::ascii_isalnum(c) || c == '.' || c == '_' || c == '-';
                     });
  return sound ? absl::OkStatus()
               : InvalidField("name",
                              "must be 1 to 128 of A-Z, a-z, 0-9, '.', '_' and '-', and "
                              "begin with no '.'");
}

// The time, and a number after it when that is taken.
std::string NameOf(absl::Time now, const std::string& folder) {
  const std::string stem = absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone());
  std::error_code error;
  for (int i = 1;; ++i) {
    std::string name = i == 1 ? stem : absl::StrCat(stem, "-", i);
    if (!fs::exists(fs::path(folder) / name, error)) return name;
  }
}

stages::StoreSnapshot Describe(const std::string& path, const backup::Manifest& manifest,
                               const std::string& sha256) {
  return {.name = fs::path(path).filename().string(),
          .path = path,
          .created = manifest.created,
          .size_bytes = manifest.size_bytes(),
          .sequence = manifest.sequence,
          .collections = manifest.collections.size(),
          .sha256 = sha256};
}

absl::Status Same(const backup::Manifest& said, const backup::Manifest& found) {
  if (said.store_format != found.store_format)
    return backup::Damaged("manifest.store_format", "is not that of the store");
  if (said.sequence != found.sequence)
    return backup::Damaged("manifest.sequence", "is not that of the store");
  if (said.collections.size() != found.collections.size())
    return backup::Damaged("manifest.collections", "are not those of the store");
  for (std::size_t i = 0; i < said.collections.size(); ++i) {
    const auto &a = said.collections[i], &b = found.collections[i];
    if (a.tenant != b.tenant || a.name != b.name || a.number != b.number ||
        a.sequence != b.sequence || a.documents != b.documents || a.chunks != b.chunks)
      return backup::Damaged(absl::StrCat("manifest.collections[", i, "]"),
                             "is not that of the store");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<backup::Manifest> InventoryOf(const std::string& path) {
  RAGMESH_ASSIGN_OR_RETURN(const auto database, Database::OpenForReading(path));
  backup::Manifest manifest;
  RAGMESH_ASSIGN_OR_RETURN(const auto format, database->Get(Family::kMeta, "format"));
  if (!format.has_value())
    return Corrupt(absl::StrCat("vector store ", path), "has no format record");
  RAGMESH_ASSIGN_OR_RETURN(manifest.store_format, DecodeFormat(*format));
  manifest.sequence = database->LatestSequence();
  const auto at = database->Walk(Family::kCollections, "");
  for (; at->Valid(); at->Next()) {
    RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t number, ParseCollectionKey(at->key()));
    RAGMESH_ASSIGN_OR_RETURN(const CollectionRecord record, DecodeCollection(at->value()));
    RAGMESH_ASSIGN_OR_RETURN(const auto stored,
                             database->Get(Family::kStates, CollectionKey(number)));
    if (!stored.has_value()) return Corrupt("state record", "is missing");
    RAGMESH_ASSIGN_OR_RETURN(const CollectionState state, DecodeState(*stored));
    manifest.collections.push_back({record.config.id.tenant, record.config.id.name, number,
                                    state.sequence, state.documents.value_or(0),
                                    state.chunks.value_or(0)});
  }
  RAGMESH_RETURN_IF_ERROR(at->status());
  return manifest;
}

absl::StatusOr<stages::StoreSnapshot> TakeSnapshot(Database* database, const std::string& folder,
                                                   const std::string& name, absl::Time now,
                                                   const std::string& release,
                                                   const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return ErrnoError(absl::StrCat("make ", folder), error.value());
  backup::FolderInTheMaking::RemoveLeftovers(folder);
  const std::string chosen = name.empty() ? NameOf(now, folder) : name;
  RAGMESH_RETURN_IF_ERROR(CheckName(chosen));
  const std::string path = (fs::path(folder) / chosen).string();
  if (fs::exists(fs::symlink_status(path, error))) return AlreadyExists("snapshot", chosen);
  RAGMESH_ASSIGN_OR_RETURN(const auto making, backup::FolderInTheMaking::Begin(path));
  const std::string store = (fs::path(making->path()) / backup::kStoreFolder).string();
  RAGMESH_RETURN_IF_ERROR(database->Checkpoint(store));
  RAGMESH_ASSIGN_OR_RETURN(backup::Manifest manifest, InventoryOf(store));
  manifest.created = now;
  manifest.release = release;
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(store, error))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  for (const std::string& file : names) {
    RAGMESH_ASSIGN_OR_RETURN(
        const backup::FileDigest digest,
        backup::DigestFile((fs::path(store) / file).string(), [](std::uint64_t) {}, call));
    manifest.files.push_back({file, digest.bytes, digest.sha256});
  }
  const std::string text = ToText(manifest);
  // A name that restoring would refuse must not be found out when it is needed.
  RAGMESH_RETURN_IF_ERROR(backup::ParseManifest(text).status());
  RAGMESH_RETURN_IF_ERROR(
      backup::WriteFile((fs::path(making->path()) / backup::kManifestFile).string(), text));
  RAGMESH_RETURN_IF_ERROR(backup::SyncFolder(store));
  RAGMESH_RETURN_IF_ERROR(making->PutInPlace());
  return Describe(fs::absolute(path, error).lexically_normal().string(), manifest,
                  backup::ManifestDigest(text));
}

absl::StatusOr<std::vector<stages::StoreSnapshot>> ListSnapshots(const std::string& folder) {
  std::vector<stages::StoreSnapshot> found;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!CheckName(name).ok()) continue;
    const auto text =
        backup::ReadFile((it->path() / backup::kManifestFile).string(), backup::kMaxManifestBytes);
    if (!text.ok()) continue;
    const auto manifest = backup::ParseManifest(*text);
    if (!manifest.ok()) continue;
    found.push_back(Describe(fs::absolute(it->path(), error).lexically_normal().string(), *manifest,
                             backup::ManifestDigest(*text)));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return a.created != b.created ? a.created > b.created : a.name > b.name;
  });
  return found;
}

absl::StatusOr<backup::Manifest> RestoreSnapshot(
    const std::string& snapshot, const std::string& data_dir, backup::ByteProgress progress,
    const CallContext& call, absl::FunctionRef<absl::Status(const std::string& path)> finish) {
  RAGMESH_ASSIGN_OR_RETURN(const backup::Manifest said, backup::ReadSnapshotManifest(snapshot));
  if (said.store_format > kFormatVersion) {
    return WrongState("NEWER_FORMAT",
                      absl::StrCat("the snapshot's store has format ", said.store_format,
                                   ", this build reads up to ", kFormatVersion),
                      "Use the release that took the snapshot, or a later one.");
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto making, backup::FolderInTheMaking::Begin(data_dir));
  RAGMESH_ASSIGN_OR_RETURN(backup::Manifest manifest,
                           backup::CopySnapshotFiles(snapshot, making->path(), progress, call));
  // It is another store from here on, and gets another name at its first opening: an archive of the
  // one it was must not take it for that.
  std::error_code error;
  fs::remove(fs::path(making->path()) / "IDENTITY", error);
  RAGMESH_RETURN_IF_ERROR(backup::SyncFolder(making->path()));
  RAGMESH_ASSIGN_OR_RETURN(const backup::Manifest found, InventoryOf(making->path()));
  RAGMESH_RETURN_IF_ERROR(Same(manifest, found));
  RAGMESH_RETURN_IF_ERROR(finish(making->path()));
  RAGMESH_RETURN_IF_ERROR(making->PutInPlace());
  return manifest;
}

}  // namespace ragmesh::vector_store
