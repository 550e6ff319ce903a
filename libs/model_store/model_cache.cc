#include "libs/model_store/model_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/model_store/file_io.h"

namespace ragmesh::model_store {
namespace {

// Identifies one state of one file: any write or replacement changes it.
std::string Fingerprint(const struct stat& info) {
  return absl::StrCat(info.st_size, " ", info.st_ino, " ", info.st_mtim.tv_sec, ".",
                      info.st_mtim.tv_nsec, "\n");
}

absl::Status HashMatches(const std::string& path, absl::string_view digest,
                         const CallContext& call) {
  ScopedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
  Sha256 hash;
  RAGMESH_RETURN_IF_ERROR(HashRest(file.get(), &hash, call).status());
  const std::string found = hash.HexDigest();
  if (found == digest) return absl::OkStatus();
  return Corrupt(path, absl::StrCat("its SHA-256 is ", found),
                 "Remove the file and pull the model again; if it comes back, check the disk.");
}

}  // namespace

std::string ModelCache::DefaultRoot() {
  const auto get = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (const std::string own = get("RAGMESH_MODEL_CACHE"); !own.empty()) return own;
  if (const std::string xdg = get("XDG_CACHE_HOME"); !xdg.empty()) return xdg + "/ragmesh/models";
  return get("HOME") + "/.cache/ragmesh/models";
}

std::string ModelCache::PathOf(absl::string_view digest) const {
  return absl::StrCat(root_, "/sha256/", digest);
}

std::string ModelCache::PartialPathOf(absl::string_view digest) const {
  return absl::StrCat(root_, "/partial/", digest);
}

std::string ModelCache::RecordPathOf(absl::string_view digest) const {
  return absl::StrCat(root_, "/verified/", digest);
}

bool ModelCache::Has(absl::string_view digest) const {
  struct stat info;
  return ::stat(PathOf(digest).c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

absl::StatusOr<std::string> ModelCache::Find(absl::string_view digest,
                                             const CallContext& call) const {
  const std::string path = PathOf(digest);
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return NotFound("model file", digest);
    return ErrnoError(absl::StrCat("stat ", path), errno);
  }
  if (ReadSmallFile(RecordPathOf(digest)) == Fingerprint(info)) return path;
  RAGMESH_RETURN_IF_ERROR(Verify(digest, call));
  return path;
}

absl::Status ModelCache::Verify(absl::string_view digest, const CallContext& call) const {
  const std::string path = PathOf(digest);
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return NotFound("model file", digest);
    return ErrnoError(absl::StrCat("stat ", path), errno);
  }
  RAGMESH_RETURN_IF_ERROR(HashMatches(path, digest, call));
  // The record only saves time; on a read-only root it cannot be written, and need not be.
  (void)ReplaceFile(RecordPathOf(digest), {Fingerprint(info)});
  return absl::OkStatus();
}

absl::Status ModelCache::Adopt(const std::string& path, absl::string_view digest) const {
  const std::string target = PathOf(digest);
  RAGMESH_RETURN_IF_ERROR(MakeDirectories(absl::StrCat(root_, "/sha256")));
  if (::chmod(path.c_str(), 0444) != 0) return ErrnoError(absl::StrCat("chmod ", path), errno);
  if (::rename(path.c_str(), target.c_str()) != 0) {
    return ErrnoError(absl::StrCat("rename ", path, " to ", target), errno);
  }
  RAGMESH_RETURN_IF_ERROR(SyncDirectory(absl::StrCat(root_, "/sha256")));
  struct stat info;
  if (::stat(target.c_str(), &info) == 0)
    (void)ReplaceFile(RecordPathOf(digest), {Fingerprint(info)});
  return absl::OkStatus();
}

std::string ModelCache::PackedFolder() const { return root_ + "/packed"; }

absl::StatusOr<std::int64_t> ModelCache::Remove(absl::string_view digest) const {
  std::int64_t freed = 0;
  std::vector<std::string> paths = {PathOf(digest), PartialPathOf(digest), RecordPathOf(digest)};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(PackedFolder(), ignored)) {
    if (absl::StartsWith(entry.path().filename().string(), digest))
      paths.push_back(entry.path().string());
  }
  for (const std::string& path : paths) {
    struct stat info;
    if (::lstat(path.c_str(), &info) != 0) continue;
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
      return ErrnoError(absl::StrCat("remove ", path), errno);
    freed += info.st_size;
  }
  return freed;
}

}  // namespace ragmesh::model_store
