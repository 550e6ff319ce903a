// The flags every service has.
#ifndef RAGMESH_SERVICES_COMMON_SERVER_FLAGS_H_
#define RAGMESH_SERVICES_COMMON_SERVER_FLAGS_H_

#include <string>

#include "libs/flags/flag_set.h"
#include "libs/rpc/server_options.h"

namespace ragmesh::services {

// Declares the flags on `flags`; what `options` holds is the default.
void AddServerFlags(flags::FlagSet& flags, rpc::ServerOptions* options);

// Declares --kernel: which table of compute kernels to use.
void AddKernelFlag(flags::FlagSet& flags, std::string* kernel);

// For the host and port a stage listens on unless told otherwise: gRPC on `port`, admin 100 above,
// on loopback.
rpc::ServerOptions DefaultServerOptions(int port);

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_COMMON_SERVER_FLAGS_H_
