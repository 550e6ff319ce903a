// The vector-store contract of a running `ragmesh serve`, for commands on the same machine. The
// gateway, which anybody may reach, has no calls for whoever runs the store; who may read the data
// folder runs it anyway.
#ifndef RAGMESH_SERVICES_RAGMESH_STORE_DOOR_H_
#define RAGMESH_SERVICES_RAGMESH_STORE_DOOR_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "libs/stages/vector_store.h"
#include "services/common/stage_host.h"

namespace ragmesh::cli {

// Answers on a UNIX socket in a folder that only this user may enter, until it is destroyed.
class StoreDoor {
 public:
  // `host` is borrowed and outlives it.
  static absl::StatusOr<std::unique_ptr<StoreDoor>> Open(const std::string& data_dir,
                                                         std::shared_ptr<stages::VectorStore> store,
                                                         services::StageHost& host);
  ~StoreDoor();

 private:
  struct Parts;
  explicit StoreDoor(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_STORE_DOOR_H_
