// ragmesh collections change-model|rollback|finish: another embedder for a collection that goes on
// serving.
#ifndef RAGMESH_SERVICES_RAGMESH_MODEL_CHANGES_H_
#define RAGMESH_SERVICES_RAGMESH_MODEL_CHANGES_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "libs/flags/flag_set.h"
#include "services/ragmesh/gateway_connection.h"

namespace ragmesh::cli {

class ModelChanges {
 public:
  // `name` and `connection` are the command's; both outlive this.
  void Declare(flags::FlagSet& collections, std::string* name, ConnectionOptions* connection);
  bool Takes(absl::string_view chosen) const;
  // ABORTED / MODEL_CHANGE_CANCELLED, or the job's own error, when the job did not succeed.
  absl::Status Run(absl::string_view chosen, GatewayConnection& gateway, const std::string& name,
                   const ConnectionOptions& connection);

 private:
  absl::Status Follow(GatewayConnection& gateway, const ragmesh::gateway::v1::Job& begun,
                      const ConnectionOptions& connection);
  absl::Status Finish(GatewayConnection& gateway, const std::string& name,
                      const ConnectionOptions& connection);

  std::string embedder_;
  bool detach_ = false;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_MODEL_CHANGES_H_
