// The manifest of a snapshot: which files it has, with their digests, and what the store in them
// holds. docs/formats/snapshots.md.
#ifndef RAGMESH_LIBS_BACKUP_MANIFEST_H_
#define RAGMESH_LIBS_BACKUP_MANIFEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ragmesh::backup {

inline constexpr std::uint64_t kManifestVersion = 1;

struct ManifestFile {
  std::string name;  // one of a RocksDB directory, see IsStoreFile
  std::uint64_t bytes = 0;
  std::string sha256;
};

struct ManifestCollection {
  std::string tenant, name;
  std::uint64_t number = 0;
  std::uint64_t sequence = 0;  // of its last write
  std::uint64_t documents = 0, chunks = 0;
};

struct Manifest {
  std::uint64_t store_format = 0;
  absl::Time created;
  std::string release;         // of the build that took it, for people
  std::uint64_t sequence = 0;  // of the store's last write
  std::vector<ManifestCollection> collections;
  std::vector<ManifestFile> files;

  std::uint64_t size_bytes() const;
};

// DATA_LOSS / CORRUPT_DATA: `field` of a file that came from elsewhere is not what was written.
absl::Status Damaged(absl::string_view field, absl::string_view problem);

// Names that a RocksDB directory of ours has and a snapshot may bring: "CURRENT", "IDENTITY",
// "MANIFEST-" and "OPTIONS-" with a number, a number with ".sst" or ".log". No other, so that no
// name leads out of a folder.
bool IsStoreFile(absl::string_view name);

// Two lines: the manifest as a JSON object, and {"sha256": digest of the first line with its line
// feed}.
std::string ToText(const Manifest& manifest);
// DATA_LOSS / CORRUPT_DATA naming the field at fault; FAILED_PRECONDITION / NEWER_FORMAT for the
// manifest of a later release. No count or size is believed before it was held against its bounds.
absl::StatusOr<Manifest> ParseManifest(absl::string_view text);

// What the second line of `text` says; for the name of a snapshot that ToText made.
std::string ManifestDigest(absl::string_view text);

}  // namespace ragmesh::backup

#endif  // RAGMESH_LIBS_BACKUP_MANIFEST_H_
