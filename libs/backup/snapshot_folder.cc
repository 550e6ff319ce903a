#include "libs/backup/snapshot_folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::backup {
namespace {

namespace fs = std::filesystem;

std::string FileField(absl::string_view name) { return absl::StrCat("file ", name); }

absl::Status Compare(const ManifestFile& file, const FileDigest& found) {
  if (found.bytes != file.bytes) {
    return Damaged(FileField(file.name),
                   absl::StrCat("has ", found.bytes, " bytes instead of ", file.bytes));
  }
  if (found.sha256 != file.sha256)
    return Damaged(FileField(file.name), "does not match its digest");
  return absl::OkStatus();
}

absl::Status CheckFolder(const fs::path& path) {
  std::error_code error;
  if (fs::symlink_status(path, error).type() != fs::file_type::directory)
    return Damaged(path.filename().string(), "is not a folder");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Manifest> ReadSnapshotManifest(const std::string& path) {
  const fs::path file = fs::path(path) / kManifestFile;
  std::error_code error;
  if (fs::symlink_status(file, error).type() == fs::file_type::not_found) {
    return NotFound("snapshot", path,
                    "Name the folder of a snapshot, which has snapshot.json and store/ in it.");
  }
  RAGMESH_ASSIGN_OR_RETURN(const std::string text, ReadFile(file.string(), kMaxManifestBytes));
  return ParseManifest(text);
}

absl::Status CheckListing(const std::string& path, const Manifest& manifest) {
  std::map<std::string, const ManifestFile*> wanted;
  for (const ManifestFile& file : manifest.files) wanted[file.name] = &file;
  std::error_code error;
  for (fs::directory_iterator it(path, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (name != kManifestFile && name != kStoreFolder)
      return Damaged(FileField(name), "does not belong to a snapshot");
  }
  const fs::path store = fs::path(path) / kStoreFolder;
  RAGMESH_RETURN_IF_ERROR(CheckFolder(store));
  fs::directory_iterator it(store, error);
  for (const fs::directory_iterator end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const auto known = wanted.find(name);
    if (known == wanted.end()) {
      return Damaged(FileField(name),
                     "is not in the manifest: files of two snapshots may have been mixed");
    }
    std::error_code gone;
    if (it->symlink_status(gone).type() != fs::file_type::regular)
      return Damaged(FileField(name), "is not a regular file");
    const std::uint64_t bytes = it->file_size(gone);
    if (gone || bytes != known->second->bytes) {
      return Damaged(FileField(name),
                     absl::StrCat("has ", bytes, " bytes instead of ", known->second->bytes));
    }
    wanted.erase(known);
  }
  if (error) return ErrnoError(absl::StrCat("list ", store.string()), error.value());
  if (!wanted.empty()) return Damaged(FileField(wanted.begin()->first), "is missing");
  return absl::OkStatus();
}

absl::StatusOr<Manifest> VerifySnapshot(const std::string& path, ByteProgress progress,
                                        const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(Manifest manifest, ReadSnapshotManifest(path));
  RAGMESH_RETURN_IF_ERROR(CheckListing(path, manifest));
  for (const ManifestFile& file : manifest.files) {
    const fs::path from = fs::path(path) / kStoreFolder / file.name;
    RAGMESH_ASSIGN_OR_RETURN(const FileDigest found, DigestFile(from.string(), progress, call));
    RAGMESH_RETURN_IF_ERROR(Compare(file, found));
  }
  return manifest;
}

absl::StatusOr<std::unique_ptr<FolderInTheMaking>> FolderInTheMaking::Begin(
    const std::string& target) {
  std::error_code error;
  fs::path place = fs::absolute(target, error).lexically_normal();
  if (!place.has_filename()) place = place.parent_path();
  const fs::file_status there = fs::symlink_status(place, error);
  if (fs::exists(there) && there.type() != fs::file_type::directory) {
    return WrongState("FOLDER_NOT_EMPTY", absl::StrCat(place.string(), " is not a folder"),
                      "Name a folder that is empty or not there yet.");
  }
  if (fs::exists(there) && !fs::is_empty(place, error)) {
    return WrongState("FOLDER_NOT_EMPTY", absl::StrCat(place.string(), " is not empty"),
                      "Name a folder that is empty or not there yet; move what is there away.");
  }
  fs::create_directories(place.parent_path(), error);
  if (error) return ErrnoError(absl::StrCat("make ", place.parent_path().string()), error.value());
  const std::string part =
      (place.parent_path() / absl::StrCat(".", place.filename().string(), ".part")).string();
  if (mkdir(part.c_str(), 0755) != 0 && errno != EEXIST)
    return ErrnoError(absl::StrCat("make ", part), errno);
  // The lock goes with the process that holds it, so what a killed one left can be told.
  ScopedFd lock(::open(part.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!lock.valid()) return ErrnoError(absl::StrCat("open ", part), errno);
  if (flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return WrongState("IN_USE", absl::StrCat(part, " is being written by another process"),
                      "Wait for it to end.");
  }
  for (fs::directory_iterator it(part, error), end; !error && it != end; it.increment(error)) {
    std::error_code ignored;
    fs::remove_all(it->path(), ignored);
  }
  if (!fs::is_empty(part, error) || error)
    return ErrnoError(absl::StrCat("empty ", part), error ? error.value() : ENOTEMPTY);
  return std::unique_ptr<FolderInTheMaking>(
      new FolderInTheMaking(place.string(), part, std::move(lock)));
}

void FolderInTheMaking::RemoveLeftovers(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (!absl::StartsWith(name, ".") || !absl::EndsWith(name, ".part")) continue;
    const ScopedFd lock(
        ::open(it->path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
    if (!lock.valid() || flock(lock.get(), LOCK_EX | LOCK_NB) != 0) continue;
    std::error_code ignored;
    fs::remove_all(it->path(), ignored);
  }
}

FolderInTheMaking::~FolderInTheMaking() {
  if (placed_) return;
  std::error_code error;
  fs::remove_all(path_, error);
}

absl::Status FolderInTheMaking::PutInPlace() {
  RAGMESH_RETURN_IF_ERROR(SyncFolder(path_));
  // Takes the place of an empty folder, and of nothing else.
  if (::rename(path_.c_str(), target_.c_str()) != 0) {
    if (errno == ENOTEMPTY || errno == EEXIST) {
      return WrongState("FOLDER_NOT_EMPTY", absl::StrCat(target_, " is no longer empty"),
                        "Name a folder that nothing else writes to.");
    }
    return ErrnoError(absl::StrCat("rename to ", target_), errno);
  }
  placed_ = true;
  return SyncFolder(fs::path(target_).parent_path().string());
}

absl::StatusOr<Manifest> CopySnapshotFiles(const std::string& path, const std::string& to,
                                           ByteProgress progress, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(Manifest manifest, ReadSnapshotManifest(path));
  RAGMESH_RETURN_IF_ERROR(CheckListing(path, manifest));
  std::error_code error;
  const fs::space_info space = fs::space(to, error);
  if (!error && space.available < manifest.size_bytes()) {
    return MakeError(absl::StatusCode::kResourceExhausted,
                     absl::StrCat("the disk of ", to, " has ", space.available,
                                  " bytes left, the snapshot needs ", manifest.size_bytes()),
                     {.reason = "DISK_FULL", .next_step = "Free space on that disk."});
  }
  for (const ManifestFile& file : manifest.files) {
    const fs::path from = fs::path(path) / kStoreFolder / file.name;
    RAGMESH_ASSIGN_OR_RETURN(
        const FileDigest found,
        CopyFile(from.string(), (fs::path(to) / file.name).string(), progress, call));
    RAGMESH_RETURN_IF_ERROR(Compare(file, found));
  }
  return manifest;
}

}  // namespace ragmesh::backup
