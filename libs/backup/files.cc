#include "libs/backup/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"

namespace ragmesh::backup {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;

// Opened without following a link in the last part of the name, and a regular file.
absl::StatusOr<ScopedFd> OpenRegular(const std::string& path) {
  ScopedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
  struct stat info {};
  if (fstat(file.get(), &info) != 0) return ErrnoError(absl::StrCat("look at ", path), errno);
  if (!S_ISREG(info.st_mode)) return InvalidField(path, "is not a regular file");
  return file;
}

absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(absl::StrCat("write ", path), errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<ScopedFd> MakeFile(const std::string& path, unsigned mode) {
  ScopedFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file.valid()) return ErrnoError(absl::StrCat("make ", path), errno);
  return file;
}

// `take` gets each block in turn.
absl::StatusOr<FileDigest> ReadThrough(int fd, const std::string& path, ByteProgress progress,
                                       const CallContext& call,
                                       absl::FunctionRef<absl::Status(absl::string_view)> take) {
  FileDigest digest;
  Sha256 hash;
  std::string block(kBlockBytes, '\0');
  while (true) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const ssize_t got = ::read(fd, block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(absl::StrCat("read ", path), errno);
    if (got == 0) break;
    const absl::string_view bytes(block.data(), static_cast<std::size_t>(got));
    hash.Update(bytes);
    digest.bytes += bytes.size();
    RAGMESH_RETURN_IF_ERROR(take(bytes));
    progress(bytes.size());
  }
  digest.sha256 = hash.HexDigest();
  return digest;
}

}  // namespace

absl::StatusOr<FileDigest> DigestFile(const std::string& path, ByteProgress progress,
                                      const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const ScopedFd file, OpenRegular(path));
  return ReadThrough(file.get(), path, progress, call,
                     [](absl::string_view) { return absl::OkStatus(); });
}

absl::StatusOr<FileDigest> CopyFile(const std::string& from, const std::string& to,
                                    ByteProgress progress, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const ScopedFd in, OpenRegular(from));
  RAGMESH_ASSIGN_OR_RETURN(const ScopedFd out, MakeFile(to, 0644));
  RAGMESH_ASSIGN_OR_RETURN(
      const FileDigest digest,
      ReadThrough(in.get(), from, progress, call,
                  [&](absl::string_view bytes) { return WriteAll(out.get(), bytes, to); }));
  if (fsync(out.get()) != 0) return ErrnoError(absl::StrCat("sync ", to), errno);
  return digest;
}

absl::Status WriteFile(const std::string& path, absl::string_view bytes, unsigned mode) {
  RAGMESH_ASSIGN_OR_RETURN(const ScopedFd file, MakeFile(path, mode));
  RAGMESH_RETURN_IF_ERROR(WriteAll(file.get(), bytes, path));
  if (fsync(file.get()) != 0) return ErrnoError(absl::StrCat("sync ", path), errno);
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::uint64_t max_bytes) {
  RAGMESH_ASSIGN_OR_RETURN(const ScopedFd file, OpenRegular(path));
  std::string bytes;
  char block[64 << 10];
  while (true) {
    const ssize_t got = ::read(file.get(), block, sizeof(block));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError(absl::StrCat("read ", path), errno);
    if (got == 0) return bytes;
    bytes.append(block, static_cast<std::size_t>(got));
    if (bytes.size() > max_bytes) {
      return LimitExceeded(path, static_cast<long long>(bytes.size()),
                           static_cast<long long>(max_bytes), "bytes");
    }
  }
}

absl::Status SyncFolder(const std::string& path) {
  const ScopedFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
  if (fsync(folder.get()) != 0) return ErrnoError(absl::StrCat("sync ", path), errno);
  return absl::OkStatus();
}

}  // namespace ragmesh::backup
