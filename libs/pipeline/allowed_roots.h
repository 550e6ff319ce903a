// Which files of this machine may be ingested, and how they are found and read.
#ifndef RAGMESH_LIBS_PIPELINE_ALLOWED_ROOTS_H_
#define RAGMESH_LIBS_PIPELINE_ALLOWED_ROOTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"

namespace ragmesh::pipeline {

struct FoundFile {
  std::string path;      // canonical
  std::string relative;  // to the folder that was walked, or the file's own name
  std::uint64_t size_bytes = 0;
};

// Immutable, thread-safe. Without roots nothing is allowed.
class AllowedRoots {
 public:
  // INVALID_ARGUMENT when a root is not an existing folder.
  static absl::StatusOr<AllowedRoots> Create(const std::vector<std::string>& roots);

  // The canonical form of a file or folder under a root. PERMISSION_DENIED / PATH_NOT_ALLOWED,
  // NOT_FOUND / FILE_NOT_FOUND. A path outside the roots is refused before it is looked at, so that
  // nobody can probe for files.
  absl::StatusOr<std::string> Resolve(const std::string& path) const;

  // All files at or below `path`, by name, hidden ones left out. Links to folders are not followed;
  // links to files only when the target lies under a root. RESOURCE_EXHAUSTED / LIMIT_EXCEEDED over
  // `max_files` or 64 levels.
  absl::StatusOr<std::vector<FoundFile>> Walk(const std::string& path, std::size_t max_files,
                                              const CallContext& call) const;

  // The whole file. Checked again on the open file, so that a link swapped in between is refused.
  absl::StatusOr<std::string> Read(const std::string& path, std::uint64_t max_bytes,
                                   const CallContext& call) const;

 private:
  explicit AllowedRoots(std::vector<std::string> roots) : roots_(std::move(roots)) {}
  bool Covers(const std::string& canonical) const;

  std::vector<std::string> roots_;  // canonical
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_ALLOWED_ROOTS_H_
