// ragmesh collections tune NAME --golden FILE: settings of a search that suit a collection, found
// by questions whose answers are known.
#ifndef RAGMESH_SERVICES_RAGMESH_COLLECTION_TUNING_H_
#define RAGMESH_SERVICES_RAGMESH_COLLECTION_TUNING_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "libs/flags/flag_set.h"
#include "services/ragmesh/gateway_connection.h"

namespace ragmesh::cli {

class CollectionTuning {
 public:
  // Adds "tune" below `collections`. Targets live as long as the object; `name` and `connection`
  // are the caller's.
  void Declare(flags::FlagSet& collections, std::string* name, ConnectionOptions* connection);

  // Searches through `gateway` as many times as it takes, prints the table, and stores the settings
  // when --apply was given and the gain is more than chance.
  absl::Status Run(GatewayConnection& gateway, const std::string& name,
                   const ConnectionOptions& connection) const;

 private:
  std::string golden_;
  std::int64_t folds_ = 5, recall_at_ = 10, parallel_ = 4, seed_ = 1;
  bool apply_ = false, dry_run_ = false;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_COLLECTION_TUNING_H_
