// A snapshot as a folder: "snapshot.json", its manifest, and "store/", the files it names.
#ifndef RAGMESH_LIBS_BACKUP_SNAPSHOT_FOLDER_H_
#define RAGMESH_LIBS_BACKUP_SNAPSHOT_FOLDER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/backup/files.h"
#include "libs/backup/manifest.h"
#include "libs/base/call_context.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh::backup {

inline constexpr char kManifestFile[] = "snapshot.json";
inline constexpr char kStoreFolder[] = "store";
inline constexpr std::uint64_t kMaxManifestBytes = 256 << 20;

// The manifest alone, without a look at the files. NOT_FOUND / SNAPSHOT_NOT_FOUND when `path` is no
// snapshot.
absl::StatusOr<Manifest> ReadSnapshotManifest(const std::string& path);

// That the folder holds the files of its manifest and nothing else, by kind and size; not what is
// in them. DATA_LOSS / CORRUPT_DATA names the file.
absl::Status CheckListing(const std::string& path, const Manifest& manifest);

// Reads all of a snapshot and checks it against its manifest. DATA_LOSS / CORRUPT_DATA names the
// file at fault: missing, too many (files of another snapshot), of another size or digest, a link.
absl::StatusOr<Manifest> VerifySnapshot(const std::string& path, ByteProgress progress,
                                        const CallContext& call);

// A folder that is made beside its place, and put there as a whole or not at all. Killed half-way
// it leaves ".<name>.part" behind, which the next one for the same place removes first.
class FolderInTheMaking {
 public:
  // `target` must be absent or an empty folder: FAILED_PRECONDITION / FOLDER_NOT_EMPTY; / IN_USE
  // while another process makes the same folder.
  static absl::StatusOr<std::unique_ptr<FolderInTheMaking>> Begin(const std::string& target);
  // What killed processes left in `folder`, which costs space.
  static void RemoveLeftovers(const std::string& folder);
  ~FolderInTheMaking();  // removes what was made, unless it was put in place

  const std::string& path() const { return path_; }
  // Everything in it must be on disk but its names.
  absl::Status PutInPlace();

 private:
  FolderInTheMaking(std::string target, std::string path, ScopedFd lock)
      : target_(std::move(target)), path_(std::move(path)), lock_(std::move(lock)) {}
  const std::string target_, path_;
  const ScopedFd lock_;
  bool placed_ = false;
};

// Copies the files of a snapshot into the folder `to`, each checked as it is copied, so that what
// was checked is what is there. RESOURCE_EXHAUSTED / DISK_FULL, before anything is copied, when
// they would not fit.
absl::StatusOr<Manifest> CopySnapshotFiles(const std::string& path, const std::string& to,
                                           ByteProgress progress, const CallContext& call);

}  // namespace ragmesh::backup

#endif  // RAGMESH_LIBS_BACKUP_SNAPSHOT_FOLDER_H_
