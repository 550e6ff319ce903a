// ragmesh store snapshot|snapshots|verify|restore|moments: copies of a whole store.
#ifndef RAGMESH_SERVICES_RAGMESH_STORE_BACKUPS_H_
#define RAGMESH_SERVICES_RAGMESH_STORE_BACKUPS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "libs/flags/flag_set.h"
#include "services/ragmesh/store_access.h"

namespace ragmesh::cli {

class StoreBackups {
 public:
  // Adds them below `store`. Targets live as long as the object.
  void Declare(flags::FlagSet& store);
  // Whether `chosen` is one of them; then Run runs it and returns the exit status.
  static bool Has(const std::string& chosen);
  int Run(const std::string& chosen) const;

 private:
  absl::Status Take() const;
  absl::Status List() const;
  absl::Status Verify() const;
  absl::Status Restore() const;
  absl::Status RestoreArchived() const;
  absl::Status Moments() const;
  void Print(const stages::StoreSnapshot& snapshot) const;

  std::string name_, snapshot_, target_, archive_, at_;
  std::int64_t sequence_ = 0;
  StoreAccessOptions access_;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_STORE_BACKUPS_H_
