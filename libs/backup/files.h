// Files that must be whole or absent: digests, copies, and writes that reached the disk.
#ifndef RAGMESH_LIBS_BACKUP_FILES_H_
#define RAGMESH_LIBS_BACKUP_FILES_H_

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"

namespace ragmesh::backup {

struct FileDigest {
  std::uint64_t bytes = 0;
  std::string sha256;  // 64 lower-case hexadecimal digits
};

// Called with the bytes that were done since the last call.
using ByteProgress = absl::FunctionRef<void(std::uint64_t)>;

// Reads a regular file; a link is refused. Ends between blocks once `call` is over.
absl::StatusOr<FileDigest> DigestFile(const std::string& path, ByteProgress progress,
                                      const CallContext& call);
// Copies a regular file to the new file `to`, which is on disk when it returns; the digest is of
// the bytes that were written.
absl::StatusOr<FileDigest> CopyFile(const std::string& from, const std::string& to,
                                    ByteProgress progress, const CallContext& call);
// The new file `path` with these bytes, on disk. `mode` as open(2) takes it.
absl::Status WriteFile(const std::string& path, absl::string_view bytes, unsigned mode = 0644);
// A regular file of at most `max_bytes`; RESOURCE_EXHAUSTED / LIMIT_EXCEEDED beyond.
absl::StatusOr<std::string> ReadFile(const std::string& path, std::uint64_t max_bytes);
// Makes the names in a folder durable.
absl::Status SyncFolder(const std::string& path);

}  // namespace ragmesh::backup

#endif  // RAGMESH_LIBS_BACKUP_FILES_H_
