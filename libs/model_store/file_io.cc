#include "libs/model_store/file_io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/status_macros.h"

namespace ragmesh::model_store {

absl::Status MakeDirectories(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error && !std::filesystem::is_directory(path)) {
    return Annotate(ErrnoError(absl::StrCat("create ", path), error.value()), "model cache");
  }
  return absl::OkStatus();
}

absl::Status SyncDirectory(const std::string& path) {
  ScopedFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
  if (::fsync(folder.get()) != 0) return ErrnoError(absl::StrCat("fsync ", path), errno);
  return absl::OkStatus();
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

absl::StatusOr<std::int64_t> HashRest(int fd, Sha256* hash, const CallContext& call) {
  std::vector<char> buffer(1 << 20);
  std::int64_t total = 0;
  while (true) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoError("read a model file", errno);
    if (got == 0) return total;
    hash->Update({buffer.data(), static_cast<std::size_t>(got)});
    total += got;
  }
}

std::string ReadSmallFile(const std::string& path) {
  ScopedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.valid()) return "";
  char buffer[4096];
  const ssize_t got = ::read(file.get(), buffer, sizeof(buffer));
  return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : "";
}

absl::Status ReplaceFile(const std::string& path, absl::Span<const absl::string_view> pieces) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  RAGMESH_RETURN_IF_ERROR(MakeDirectories(folder));
  std::string temporary = path + ".XXXXXX";
  ScopedFd file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!file.valid()) return ErrnoError(absl::StrCat("create ", temporary), errno);
  absl::Status status;
  for (const absl::string_view piece : pieces) {
    if (status.ok()) status = WriteAll(file.get(), piece, temporary);
  }
  if (status.ok() && ::fchmod(file.get(), 0444) != 0)
    status = ErrnoError(absl::StrCat("chmod ", temporary), errno);
  if (status.ok() && ::fsync(file.get()) != 0)
    status = ErrnoError(absl::StrCat("fsync ", temporary), errno);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0)
    status = ErrnoError(absl::StrCat("rename ", temporary), errno);
  if (status.ok()) return SyncDirectory(folder);
  ::unlink(temporary.c_str());
  return status;
}

absl::StatusOr<ScratchFolder> ScratchFolder::Create(const std::string& parent) {
  RAGMESH_RETURN_IF_ERROR(MakeDirectories(parent));
  std::string path = parent + "/scratch.XXXXXX";
  if (::mkdtemp(path.data()) == nullptr) return ErrnoError(absl::StrCat("create ", path), errno);
  return ScratchFolder(std::move(path));
}

ScratchFolder::~ScratchFolder() {
  if (path_.empty()) return;
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace ragmesh::model_store
