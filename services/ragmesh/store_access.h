// How commands for whoever runs a store reach it: over the vector-store's own address, through the
// door of a running `ragmesh serve`, or by opening the files of one that is stopped.
#ifndef RAGMESH_SERVICES_RAGMESH_STORE_ACCESS_H_
#define RAGMESH_SERVICES_RAGMESH_STORE_ACCESS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"
#include "libs/flags/flag_set.h"
#include "libs/rpc/credentials.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::cli {

struct StoreAccessOptions {
  std::string store;     // address; empty: by the folder
  std::string data_dir;  // empty: that of `ragmesh serve`
  rpc::ClientTls tls;
  absl::Duration timeout = absl::Hours(12);
  bool json = false;
  bool quiet = false;

  void Declare(flags::FlagSet& flags);
  CallContext NewCall() const { return CallContext(absl::Now() + timeout); }
};

// The store that `options` name. NOT_FOUND / STORE_NOT_FOUND; FAILED_PRECONDITION / STORE_LOCKED
// when another process has its files and does not say where it answers.
absl::StatusOr<std::shared_ptr<stages::VectorStore>> OpenStore(const StoreAccessOptions& options);

// Its part for whoever runs it, as long as `store` lives.
absl::StatusOr<stages::StoreAdmin*> AdminOf(stages::VectorStore& store);

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_STORE_ACCESS_H_
