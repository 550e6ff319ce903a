#include "libs/pipeline/allowed_roots.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/status_macros.h"

namespace ragmesh::pipeline {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxDepth = 64;

bool Under(const std::string& path, const std::string& root) {
  return path == root || root == "/" || absl::StartsWith(path, root + "/");
}

absl::Status NotAllowed() {
  return MakeError(
      absl::StatusCode::kPermissionDenied, "path does not lie under an allowed root",
      {.reason = "PATH_NOT_ALLOWED",
       .field = "path",
       .next_step =
           "upload the document, or start the gateway with --allowed_roots naming its folder"});
}

absl::Status FileNotFound(const std::string& path) {
  return MakeError(
      absl::StatusCode::kNotFound, absl::StrCat("no file or folder ", path),
      {.reason = "FILE_NOT_FOUND",
       .field = "path",
       .next_step =
           "paths are read on the gateway's machine; upload the document if it lies elsewhere"});
}

}  // namespace

absl::StatusOr<AllowedRoots> AllowedRoots::Create(const std::vector<std::string>& roots) {
  std::vector<std::string> canonical;
  for (const std::string& root : roots) {
    std::error_code error;
    const fs::path path = fs::canonical(root, error);
    if (error || !fs::is_directory(path, error)) {
      return InvalidField("allowed_roots",
                          absl::StrCat("names \"", root, "\", which is not a folder"));
    }
    canonical.push_back(path.string());
  }
  return AllowedRoots(std::move(canonical));
}

bool AllowedRoots::Covers(const std::string& canonical) const {
  return std::any_of(roots_.begin(), roots_.end(),
                     [&](const std::string& root) { return Under(canonical, root); });
}

absl::StatusOr<std::string> AllowedRoots::Resolve(const std::string& path) const {
  if (path.empty() || path.size() > 4096 || path.find('\0') != std::string::npos) {
    return InvalidField("path", "must have 1 to 4096 bytes and no NUL");
  }
  if (path.front() != '/') return InvalidField("path", "must be absolute");
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  if (error || !Covers(canonical.string())) return NotAllowed();
  if (!fs::exists(canonical, error)) return FileNotFound(path);
  return canonical.string();
}

absl::StatusOr<std::vector<FoundFile>> AllowedRoots::Walk(const std::string& path,
                                                          std::size_t max_files,
                                                          const CallContext& call) const {
  RAGMESH_ASSIGN_OR_RETURN(const std::string top, Resolve(path));
  std::vector<FoundFile> files;
  std::error_code error;
  if (!fs::is_directory(top, error)) {
    const auto size = fs::file_size(top, error);
    files.push_back({top, fs::path(top).filename().string(), error ? 0 : size});
    return files;
  }
  fs::recursive_directory_iterator it(top, error);
  if (error) return ErrnoError(absl::StrCat("read folder ", top), error.value());
  for (const fs::recursive_directory_iterator end; it != end; it.increment(error)) {
    if (error) return ErrnoError(absl::StrCat("read folder ", top), error.value());
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const fs::directory_entry& entry = *it;
    std::error_code ignored;
    if (absl::StartsWith(entry.path().filename().string(), ".")) {
      if (entry.is_directory(ignored)) it.disable_recursion_pending();
      continue;
    }
    if (it.depth() >= kMaxDepth) {
      return LimitExceeded("path", it.depth() + 1, kMaxDepth, "levels of folders",
                           "ingest a folder further down");
    }
    if (entry.is_directory(ignored) || !entry.is_regular_file(ignored)) continue;
    const fs::path canonical = fs::canonical(entry.path(), ignored);
    if (ignored || !Covers(canonical.string())) continue;
    if (files.size() >= max_files) {
      return LimitExceeded("path", static_cast<long long>(files.size() + 1),
                           static_cast<long long>(max_files), "files in one job",
                           "ingest the folder's parts in jobs of their own");
    }
    const auto size = entry.file_size(ignored);
    files.push_back(
        {canonical.string(), entry.path().lexically_relative(top).string(), ignored ? 0 : size});
  }
  if (error) return ErrnoError(absl::StrCat("read folder ", top), error.value());
  std::sort(files.begin(), files.end(),
            [](const FoundFile& a, const FoundFile& b) { return a.path < b.path; });
  // Two links to one file are one document.
  files.erase(std::unique(files.begin(), files.end(),
                          [](const FoundFile& a, const FoundFile& b) { return a.path == b.path; }),
              files.end());
  return files;
}

absl::StatusOr<std::string> AllowedRoots::Read(const std::string& path, std::uint64_t max_bytes,
                                               const CallContext& call) const {
  // O_NONBLOCK: a FIFO put in the file's place must not hang the worker.
  const ScopedFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid())
    return errno == ENOENT ? FileNotFound(path) : ErrnoError(absl::StrCat("open ", path), errno);
  std::error_code error;
  const fs::path opened = fs::read_symlink(absl::StrCat("/proc/self/fd/", fd.get()), error);
  if (error || !Covers(opened.string())) return NotAllowed();
  struct stat info;
  if (::fstat(fd.get(), &info) != 0) return ErrnoError(absl::StrCat("stat ", path), errno);
  if (!S_ISREG(info.st_mode)) return InvalidField("path", "is not a regular file");
  if (static_cast<std::uint64_t>(info.st_size) > max_bytes) {
    return LimitExceeded("path", info.st_size, static_cast<long long>(max_bytes), "bytes",
                         "split the document, or raise the gateway's --max_document_mib");
  }
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const std::size_t step = std::min<std::size_t>(bytes.size() - filled, 4 << 20);
    const ssize_t n = ::read(fd.get(), bytes.data() + filled, step);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return ErrnoError(absl::StrCat("read ", path), errno);
    if (n == 0) break;  // shrank meanwhile: what is left is the document
    filled += static_cast<std::size_t>(n);
  }
  bytes.resize(filled);
  return bytes;
}

}  // namespace ragmesh::pipeline
