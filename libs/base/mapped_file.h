// A whole file mapped read-only. Pages are shared between processes on one machine and come from
// disk as they are read.
#ifndef RAGMESH_LIBS_BASE_MAPPED_FILE_H_
#define RAGMESH_LIBS_BASE_MAPPED_FILE_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh {

// Immutable and thread-safe. Views into bytes() die with the object. A file that another process
// truncates while it is mapped raises SIGBUS on access; model files live in a content-addressed
// cache that is never written in place.
class MappedFile {
 public:
  // NOT_FOUND, PERMISSION_DENIED and so on as open(2) says; an empty file maps to empty bytes.
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Open(const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  absl::string_view bytes() const { return {data_, size_}; }
  // Copies `part`, some of bytes(), to `out` without taking its pages into this process's memory.
  // Fails as pread(2) says, with DATA_LOSS / CORRUPT_DATA when the file has become shorter.
  absl::Status Read(absl::string_view part, char* out) const;
  // Takes whole pages of `part`, some of bytes(), out of this process's memory; they come back from
  // the system's cache, or from disk, when they are read again.
  void Release(absl::string_view part) const;
  const std::string& path() const { return path_; }

 private:
  MappedFile(std::string path, ScopedFd fd, const char* data, std::size_t size)
      : path_(std::move(path)), fd_(std::move(fd)), data_(data), size_(size) {}

  const std::string path_;
  const ScopedFd fd_;
  const char* const data_;
  const std::size_t size_;
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_BASE_MAPPED_FILE_H_
