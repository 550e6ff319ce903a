// A zip container in memory, read with bounds against bombs.
#ifndef RAGMESH_LIBS_DOCUMENT_ZIP_ARCHIVE_H_
#define RAGMESH_LIBS_DOCUMENT_ZIP_ARCHIVE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/document/parse_limits.h"

struct zip;

namespace ragmesh::document {

// Not thread-safe. Nothing is written anywhere: names of entries are keys, never paths.
class ZipArchive {
 public:
  // Checks the directory before anything is expanded: number of entries, sum of sizes, ratio,
  // encryption, and that the entries' compressed sizes fit the file (overlapping entries do not).
  // `bytes` must outlive the archive.
  static absl::StatusOr<std::unique_ptr<ZipArchive>> Open(absl::string_view bytes,
                                                          const ParseLimits& limits);
  ~ZipArchive();

  bool Has(const std::string& name) const;

  // The whole entry. MALFORMED_DOCUMENT when it is absent or its checksum is wrong; LIMIT_EXCEEDED
  // when it holds more than the directory said.
  absl::StatusOr<std::string> Read(const std::string& name);

 private:
  ZipArchive(zip* archive, const ParseLimits& limits) : archive_(archive), limits_(limits) {}

  zip* const archive_;
  const ParseLimits limits_;
  std::uint64_t read_bytes_ = 0;
};

}  // namespace ragmesh::document

#endif  // RAGMESH_LIBS_DOCUMENT_ZIP_ARCHIVE_H_
