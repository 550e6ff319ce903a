// ragmesh collections export|import|keygen: one collection as a file, and back.
#ifndef RAGMESH_SERVICES_RAGMESH_COLLECTION_TRANSFER_H_
#define RAGMESH_SERVICES_RAGMESH_COLLECTION_TRANSFER_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/backup/signing_key.h"
#include "libs/flags/flag_set.h"
#include "services/ragmesh/store_access.h"

namespace ragmesh::cli {

class CollectionTransfer {
 public:
  // Adds them below `collections`. Targets live as long as the object.
  void Declare(flags::FlagSet& collections);
  // Whether `chosen` is one of them; then Run runs it and returns the exit status.
  static bool Has(const std::string& chosen);
  int Run(const std::string& chosen) const;

 private:
  absl::Status Export() const;
  absl::Status Import() const;
  // The key that is to sign or to verify; null with --unsigned. INVALID_ARGUMENT unless exactly one
  // of the two was given.
  absl::StatusOr<std::unique_ptr<const backup::Ed25519Key>> Key(bool to_sign) const;

  std::string name_, file_, as_, tenant_ = "default", key_;
  bool unsigned_ = false;
  StoreAccessOptions access_;
};

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_COLLECTION_TRANSFER_H_
