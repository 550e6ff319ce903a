#include "libs/journal/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::journal {
namespace {

namespace fs = std::filesystem;

absl::Status WriteAll(int fd, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ENOSPC) {
      return MakeError(absl::StatusCode::kResourceExhausted, "no space left for uploads",
                       {.reason = "DISK_FULL",
                        .next_step = "free space on the disk of the gateway's data folder"});
    }
    if (n < 0) return ErrnoError("write to the spool", errno);
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return absl::OkStatus();
}

absl::Status SyncFolder(const std::string& folder) {
  const ScopedFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid() || ::fsync(fd.get()) != 0)
    return ErrnoError(absl::StrCat("sync ", folder), errno);
  return absl::OkStatus();
}

std::uint64_t FileSize(const fs::path& path) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  return error ? 0 : size;
}

bool IsDigest(absl::string_view name) {
  return name.size() == 64 && name.find_first_not_of("0123456789abcdef") == absl::string_view::npos;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Spool>> Spool::Open(const std::string& folder,
                                                   const Limits& limits) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return ErrnoError(absl::StrCat("create ", folder), error.value());
  fs::permissions(folder, fs::perms::owner_all, error);
  std::unique_ptr<Spool> spool(new Spool(folder, limits));
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    std::error_code ignored;
    if (absl::StartsWith(name, "new-")) fs::remove(it->path(), ignored);
    if (IsDigest(name)) spool->total_ += FileSize(it->path());
  }
  if (error) return ErrnoError(absl::StrCat("read ", folder), error.value());
  return spool;
}

absl::StatusOr<std::unique_ptr<Spool::Writer>> Spool::Begin() {
  const std::string path = absl::StrCat(folder_, "/new-", ::getpid(), "-", next_.fetch_add(1));
  ScopedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError(absl::StrCat("create ", path), errno);
  return std::unique_ptr<Writer>(new Writer(*this, path, std::move(fd)));
}

Spool::Writer::Writer(Spool& spool, std::string path, ScopedFd fd)
    : spool_(spool), path_(std::move(path)), fd_(std::move(fd)) {}

Spool::Writer::~Writer() {
  if (committed_) return;
  ::unlink(path_.c_str());
  spool_.total_ -= size_;
}

absl::Status Spool::Writer::Append(absl::string_view bytes) {
  if (size_ + bytes.size() > spool_.limits_.document_bytes) {
    return LimitExceeded("data", static_cast<long long>(size_ + bytes.size()),
                         static_cast<long long>(spool_.limits_.document_bytes), "bytes",
                         "split the document, or raise the gateway's --max_document_mib");
  }
  if (spool_.total_ + bytes.size() > spool_.limits_.total_bytes) {
    return MakeError(
        absl::StatusCode::kResourceExhausted, "the spool for uploads is full",
        {.reason = "SPOOL_FULL",
         .next_step = "wait until queued documents are ingested, or raise --max_spool_mib",
         .retry_after = absl::Seconds(10)});
  }
  RAGMESH_RETURN_IF_ERROR(WriteAll(fd_.get(), bytes));
  digest_.Update(bytes);
  size_ += bytes.size();
  spool_.total_ += bytes.size();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Spool::Writer::Commit() {
  if (::fsync(fd_.get()) != 0) return ErrnoError("sync the spool", errno);
  const std::string sha256 = digest_.HexDigest();
  const std::string target = spool_.Path(sha256);
  const bool present =
      ::access(target.c_str(), F_OK) == 0;  // the same bytes: renaming over them changes nothing
  if (::rename(path_.c_str(), target.c_str()) != 0)
    return ErrnoError(absl::StrCat("rename to ", target), errno);
  committed_ = true;
  if (present) spool_.total_ -= size_;
  RAGMESH_RETURN_IF_ERROR(SyncFolder(spool_.folder_));
  return sha256;
}

std::string Spool::Path(absl::string_view sha256) const {
  return absl::StrCat(folder_, "/", sha256);
}

void Spool::Remove(absl::string_view sha256) {
  if (!IsDigest(sha256)) return;
  const std::string path = Path(sha256);
  const std::uint64_t size = FileSize(path);
  if (::unlink(path.c_str()) == 0) total_ -= size;
}

absl::Status Spool::PutSecret(absl::string_view key, absl::string_view secret) {
  const std::string path = absl::StrCat(folder_, "/secret-", key);
  const ScopedFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) return ErrnoError("create a secret in the spool", errno);
  RAGMESH_RETURN_IF_ERROR(WriteAll(fd.get(), secret));
  if (::fsync(fd.get()) != 0) return ErrnoError("sync the spool", errno);
  return SyncFolder(folder_);
}

absl::StatusOr<std::string> Spool::GetSecret(absl::string_view key) const {
  std::ifstream in(absl::StrCat(folder_, "/secret-", key), std::ios::binary);
  if (!in) return NotFound("secret", key);
  return std::string(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

void Spool::RemoveSecret(absl::string_view key) {
  ::unlink(absl::StrCat(folder_, "/secret-", key).c_str());
}

void Spool::Sweep(absl::FunctionRef<bool(absl::string_view sha256)> needed) {
  std::error_code error;
  std::vector<std::string> unneeded;
  for (fs::directory_iterator it(folder_, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    if (IsDigest(name) && !needed(name)) unneeded.push_back(name);
  }
  for (const std::string& name : unneeded) Remove(name);
}

}  // namespace ragmesh::journal
