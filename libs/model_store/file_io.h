// The few file operations that a cache safe against crashes needs.
#ifndef RAGMESH_LIBS_MODEL_STORE_FILE_IO_H_
#define RAGMESH_LIBS_MODEL_STORE_FILE_IO_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/base/sha256.h"

namespace ragmesh::model_store {

// Like mkdir -p.
absl::Status MakeDirectories(const std::string& path);

absl::Status SyncDirectory(const std::string& path);

// Writes all of `bytes` at the file's position, whatever the number of system calls.
absl::Status WriteAll(int fd, absl::string_view bytes, const std::string& path);

// Feeds the file from its position to its end into `hash`, checking `call` every megabyte; the
// bytes read.
absl::StatusOr<std::int64_t> HashRest(int fd, Sha256* hash, const CallContext& call);

// At most 4 KiB of a file; empty when it cannot be read.
std::string ReadSmallFile(const std::string& path);

// Puts a file of `pieces`, one after the other, in place of `path`, so that it is there whole and
// on disk or not at all; readers of what it replaces keep that. Whoever may look into the folder
// may read it. Makes the parent folder when it is missing. A process that is killed meanwhile
// leaves `path`.XXXXXX behind.
absl::Status ReplaceFile(const std::string& path, absl::Span<const absl::string_view> pieces);

// A fresh folder under `parent`, removed with all content when the object goes.
class ScratchFolder {
 public:
  static absl::StatusOr<ScratchFolder> Create(const std::string& parent);
  ~ScratchFolder();
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::move(other.path_)) {
    other.path_.clear();
  }
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  const std::string& path() const { return path_; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_FILE_IO_H_
