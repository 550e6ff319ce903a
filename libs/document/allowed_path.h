// Opens files under allowed roots only.
#ifndef RAGMESH_LIBS_DOCUMENT_ALLOWED_PATH_H_
#define RAGMESH_LIBS_DOCUMENT_ALLOWED_PATH_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh::document {

// `path` is absolute, or relative to each root in turn. The kernel resolves it (openat2,
// RESOLVE_BENEATH), so neither ".." nor a symbolic link leaves a root, not even one that changes
// meanwhile. Kernels without openat2 get a check of the resolved path of the file that was opened.
// NOT_FOUND / FILE_NOT_FOUND; PERMISSION_DENIED / PATH_NOT_ALLOWED outside the roots or for
// anything but a regular file.
absl::StatusOr<ScopedFd> OpenAllowed(const std::string& path,
                                     const std::vector<std::string>& roots);

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_ALLOWED_PATH_H_
