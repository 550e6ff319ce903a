#include "libs/base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh {

absl::StatusOr<std::shared_ptr<const MappedFile>> MappedFile::Open(const std::string& path) {
  ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoError(absl::StrCat("stat ", path), errno);
  if (!S_ISREG(info.st_mode))
    return InvalidField("path", absl::StrCat(path, " is not a regular file"));
  const auto size = static_cast<std::size_t>(info.st_size);
  void* data = nullptr;
  if (size > 0) {
    data = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (data == MAP_FAILED) return ErrnoError(absl::StrCat("map ", path), errno);
  }
  return std::shared_ptr<const MappedFile>(
      new MappedFile(path, std::move(fd), static_cast<const char*>(data), size));
}

absl::Status MappedFile::Read(absl::string_view part, char* out) const {
  auto at = part.data() - data_;
  for (std::size_t left = part.size(); left > 0;) {
    const ssize_t taken = pread(fd_.get(), out, left, at);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0) return ErrnoError(absl::StrCat("read ", path_), errno);
    if (taken == 0) return Corrupt(path_, "has become shorter while it was in use");
    out += taken;
    at += taken;
    left -= static_cast<std::size_t>(taken);
  }
  return absl::OkStatus();
}

void MappedFile::Release(absl::string_view part) const {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(part.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(part.data() + part.size()) / page * page;
  // Only advice: when it is not taken, nothing but memory is lost.
  if (begin < end) (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

MappedFile::~MappedFile() {
  if (size_ > 0) munmap(const_cast<char*>(data_), size_);
}

}  // namespace ragmesh
