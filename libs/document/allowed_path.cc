#include "libs/document/allowed_path.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::document {
namespace {

absl::Status NotAllowed(absl::string_view problem) {
  return MakeError(
      absl::StatusCode::kPermissionDenied, absl::StrCat("path ", problem),
      {.reason = "PATH_NOT_ALLOWED",
       .field = "path",
       .next_step =
           "Name a regular file under one of the loader's allowed roots, or upload its bytes."});
}

absl::Status FileNotFound() {
  return MakeError(absl::StatusCode::kNotFound, "path names no file",
                   {.reason = "FILE_NOT_FOUND",
                    .field = "path",
                    .next_step = "Check the path on the loader's machine."});
}

std::string WithoutTrailingSlashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

// Opened and then looked at: what counts is where the open file lies.
int OpenAndCompare(const std::string& root, const std::string& relative) {
  const int fd =
      open(absl::StrCat(root, "/", relative).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return -1;
  char real_root[PATH_MAX];
  char real_file[PATH_MAX];
  const std::string link = absl::StrCat("/proc/self/fd/", fd);
  if (realpath(root.c_str(), real_root) != nullptr &&
      realpath(link.c_str(), real_file) != nullptr &&
      absl::StartsWith(real_file, absl::StrCat(WithoutTrailingSlashes(real_root), "/"))) {
    return fd;
  }
  close(fd);
  errno = EXDEV;
  return -1;
}

int OpenBeneath(const std::string& root, const std::string& relative) {
  const ScopedFd directory(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return -1;
  open_how how = {};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  const auto fd =
      static_cast<int>(syscall(SYS_openat2, directory.get(), relative.c_str(), &how, sizeof(how)));
  if (fd < 0 && errno == ENOSYS) return OpenAndCompare(root, relative);
  return fd;
}

}  // namespace

absl::StatusOr<ScopedFd> OpenAllowed(const std::string& path,
                                     const std::vector<std::string>& roots) {
  if (path.empty() || path.size() >= PATH_MAX || path.find('\0') != std::string::npos) {
    return NotAllowed("is empty, too long, or has a zero byte");
  }
  if (roots.empty()) return NotAllowed("cannot be read: this loader has no allowed root");
  bool missing = false;
  for (const std::string& given : roots) {
    const std::string root = WithoutTrailingSlashes(given);
    std::string relative = path;
    if (path[0] == '/') {
      const std::string prefix = root == "/" ? root : absl::StrCat(root, "/");
      if (!absl::StartsWith(path, prefix)) continue;
      relative = path.substr(prefix.size());
      while (!relative.empty() && relative[0] == '/') relative.erase(0, 1);
    }
    if (relative.empty()) continue;
    ScopedFd fd(OpenBeneath(root, relative));
    if (!fd.valid()) {
      missing = missing || errno == ENOENT || errno == ENOTDIR;
      continue;
    }
    struct stat info;
    if (fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))
      return NotAllowed("is not a regular file");
    return fd;
  }
  if (missing) return FileNotFound();
  return NotAllowed("is outside the allowed roots, or may not be read");
}

}  // namespace ragmesh::document
