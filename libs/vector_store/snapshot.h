// Snapshots of a whole store: a checkpoint of RocksDB under a manifest, and the way back.
#ifndef RAGMESH_LIBS_VECTOR_STORE_SNAPSHOT_H_
#define RAGMESH_LIBS_VECTOR_STORE_SNAPSHOT_H_

#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/backup/files.h"
#include "libs/backup/manifest.h"
#include "libs/base/call_context.h"
#include "libs/stages/store_admin.h"
#include "libs/vector_store/database.h"

namespace ragmesh::vector_store {

// Takes one in the folder `folder`, which is made when absent. `name` as in StoreAdmin. Killed
// half-way it leaves nothing that counts as a snapshot.
absl::StatusOr<stages::StoreSnapshot> TakeSnapshot(Database* database, const std::string& folder,
                                                   const std::string& name, absl::Time now,
                                                   const std::string& release,
                                                   const CallContext& call);

// The snapshots in a folder by their manifests, newest first; what is none is passed over.
absl::StatusOr<std::vector<stages::StoreSnapshot>> ListSnapshots(const std::string& folder);

// What the closed store in `path` holds; `files` stays empty.
absl::StatusOr<backup::Manifest> InventoryOf(const std::string& path);

// Makes the store of the snapshot at `snapshot` in `data_dir`, which must be absent or empty, as a
// whole or not at all. `finish`, unless null, changes the store before it is put there. Errors as
// backup::VerifySnapshot and backup::FolderInTheMaking, and FAILED_PRECONDITION / NEWER_FORMAT for
// a store of a later release.
absl::StatusOr<backup::Manifest> RestoreSnapshot(
    const std::string& snapshot, const std::string& data_dir, backup::ByteProgress progress,
    const CallContext& call,
    absl::FunctionRef<absl::Status(const std::string& path)> finish = [](const std::string&) {
      return absl::OkStatus();
    });

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_SNAPSHOT_H_
