#include "libs/model_store/partial_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/model_store/file_io.h"

namespace ragmesh::model_store {
namespace {

constexpr absl::Duration kLockPoll = absl::Milliseconds(100);

// flock has no timed wait, so this polls; pulls take seconds to minutes.
absl::Status Lock(int fd, const std::string& path, const CallContext& call) {
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return ErrnoError(absl::StrCat("lock ", path), errno);
    if (const absl::Status status = call.Check(); !status.ok()) {
      return Annotate(status, absl::StrCat("another process is obtaining ", path));
    }
    absl::SleepFor(kLockPoll);
  }
  return absl::OkStatus();
}

// Whether `path` still names the open file: a puller that finishes moves the locked file away.
bool StillNamed(int fd, const std::string& path) {
  struct stat open_file, named;
  return ::fstat(fd, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

absl::Status CheckSpace(const std::string& folder, std::int64_t wanted_bytes) {
  struct statvfs info;
  if (::statvfs(folder.c_str(), &info) != 0) return absl::OkStatus();
  const auto free_bytes =
      static_cast<std::int64_t>(info.f_bavail) * static_cast<std::int64_t>(info.f_frsize);
  if (free_bytes >= wanted_bytes) return absl::OkStatus();
  return MakeError(
      absl::StatusCode::kResourceExhausted,
      absl::StrCat(folder, " has ", free_bytes >> 20, " MiB free, the file needs ",
                   wanted_bytes >> 20),
      {.reason = "DISK_FULL",
       .next_step = "Free some space, or set RAGMESH_MODEL_CACHE to a folder on a larger disk."});
}

}  // namespace

PartialFile::PartialFile(const ModelCache& cache, std::string digest, std::int64_t size_bytes,
                         ScopedFd fd)
    : cache_(cache),
      digest_(std::move(digest)),
      path_(cache.PartialPathOf(digest_)),
      size_bytes_(size_bytes),
      fd_(std::move(fd)),
      hash_(std::make_unique<Sha256>()) {}

absl::StatusOr<std::unique_ptr<PartialFile>> PartialFile::Open(const ModelCache& cache,
                                                               absl::string_view digest,
                                                               std::int64_t size_bytes,
                                                               const CallContext& call) {
  const std::string path = cache.PartialPathOf(digest);
  const std::string folder = cache.root() + "/partial";
  RAGMESH_RETURN_IF_ERROR(MakeDirectories(folder));
  ScopedFd fd;
  do {
    fd = ScopedFd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
    RAGMESH_RETURN_IF_ERROR(Lock(fd.get(), path, call));
  } while (!StillNamed(fd.get(), path));
  if (cache.Has(digest)) {
    ::unlink(path.c_str());
    return nullptr;
  }
  std::unique_ptr<PartialFile> file(
      new PartialFile(cache, std::string(digest), size_bytes, std::move(fd)));
  RAGMESH_ASSIGN_OR_RETURN(file->held_bytes_, HashRest(file->fd_.get(), file->hash_.get(), call));
  if (file->held_bytes_ > size_bytes) RAGMESH_RETURN_IF_ERROR(file->Restart());
  RAGMESH_RETURN_IF_ERROR(CheckSpace(folder, size_bytes - file->held_bytes_));
  return file;
}

PartialFile::~PartialFile() {
  struct stat info;
  if (::fstat(fd_.get(), &info) == 0 && info.st_size == 0 && StillNamed(fd_.get(), path_)) {
    ::unlink(path_.c_str());
  }
}

absl::Status PartialFile::Append(absl::string_view bytes) {
  if (held_bytes_ + static_cast<std::int64_t>(bytes.size()) > size_bytes_) {
    return MakeError(
        absl::StatusCode::kResourceExhausted,
        absl::StrCat("the source sends more than the ", size_bytes_, " bytes the catalogue states"),
        {.reason = "MODEL_FILE_TOO_LARGE"});
  }
  RAGMESH_RETURN_IF_ERROR(WriteAll(fd_.get(), bytes, path_));
  hash_->Update(bytes);
  held_bytes_ += static_cast<std::int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::Status PartialFile::Restart() {
  if (::ftruncate(fd_.get(), 0) != 0) return ErrnoError(absl::StrCat("truncate ", path_), errno);
  ::lseek(fd_.get(), 0, SEEK_SET);
  hash_ = std::make_unique<Sha256>();
  held_bytes_ = 0;
  return absl::OkStatus();
}

absl::Status PartialFile::Finish() {
  if (held_bytes_ < size_bytes_) {
    return Corrupt("download",
                   absl::StrCat("ended after ", held_bytes_, " of ", size_bytes_, " bytes"),
                   "Pull again; it goes on where it stopped.");
  }
  const std::string found = hash_->HexDigest();
  if (found != digest_) {
    RAGMESH_RETURN_IF_ERROR(Restart());
    return Corrupt("download",
                   absl::StrCat("has the wrong SHA-256: ", found, " instead of ", digest_));
  }
  if (::fsync(fd_.get()) != 0) return ErrnoError(absl::StrCat("fsync ", path_), errno);
  return cache_.Adopt(path_, digest_);
}

}  // namespace ragmesh::model_store
