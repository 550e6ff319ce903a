// What the operator of a vector store does with it as a whole: snapshots, and single collections
// that leave as archives and come back. A part of stage 4 that a store may lack.
#ifndef RAGMESH_LIBS_STAGES_STORE_ADMIN_H_
#define RAGMESH_LIBS_STAGES_STORE_ADMIN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"

namespace ragmesh::stages {

struct Collection;
struct CollectionId;

struct StoreSnapshot {
  std::string name;
  std::string path;  // of its folder, on the store's machine
  absl::Time created;
  std::uint64_t size_bytes = 0;   // counting what it shares with the live store
  std::uint64_t sequence = 0;     // of the store's last write in it
  std::uint64_t collections = 0;  // in it
  std::string sha256;             // of its manifest
};

// A part of an archive, and how far it takes it. Of `total` documents and chunks `done` are in what
// was given so far.
struct ArchivePiece {
  absl::string_view bytes;
  std::uint64_t done = 0, total = 0;
};
using ArchiveSink = absl::AnyInvocable<absl::Status(const ArchivePiece&)>;
// The next bytes, as many as it likes; empty at the end.
using ArchiveSource = absl::AnyInvocable<absl::StatusOr<std::string>()>;

// Thread-safe. Tenants and labels do not bind it: it is for whoever runs the store.
class StoreAdmin {
 public:
  virtual ~StoreAdmin() = default;

  // Writes a consistent copy of all that was acknowledged, while reads and writes go on. `name`:
  // [A-Za-z0-9._-]{1,128}, not beginning with a dot; empty: the time. ALREADY_EXISTS /
  // SNAPSHOT_EXISTS.
  virtual absl::StatusOr<StoreSnapshot> CreateSnapshot(const std::string& name,
                                                       const CallContext& call) = 0;
  // Newest first.
  virtual absl::StatusOr<std::vector<StoreSnapshot>> ListSnapshots(const CallContext& call) = 0;

  // One collection as it is at the moment of the call, as an archive without its signature frame.
  virtual absl::Status ExportCollection(const CollectionId& id, ArchiveSink sink,
                                        const CallContext& call) = 0;
  // Makes the new collection `id` of such an archive, whatever name it had. Nothing is seen of it
  // before all of it was checked and is on disk; after an error, or a crash, nothing is left.
  // `manifest_sha256`, unless empty, is that of the manifest the caller has checked. DATA_LOSS /
  // CORRUPT_DATA and INVALID_ARGUMENT name the part at fault; ALREADY_EXISTS / COLLECTION_EXISTS.
  virtual absl::StatusOr<Collection> ImportCollection(const CollectionId& id,
                                                      const std::string& manifest_sha256,
                                                      ArchiveSource source,
                                                      const CallContext& call) = 0;
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_STORE_ADMIN_H_
