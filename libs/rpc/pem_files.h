// What gRPC does not say about its TLS files: it logs a bad one and then refuses every handshake,
// so each file is read and checked before TLS is started with it. Internal to libs/rpc.
#ifndef RAGMESH_LIBS_RPC_PEM_FILES_H_
#define RAGMESH_LIBS_RPC_PEM_FILES_H_

#include <string>

#include "absl/status/status.h"

namespace ragmesh::rpc {

// A file and the flag that names it, for messages.
struct PemFile {
  std::string flag;  // "--tls_cert"
  std::string path;
};

// All answer INVALID_ARGUMENT with the flag and the file.

// At least one certificate, each of which parses.
absl::Status CheckCertificates(const PemFile& file);

// A certificate chain, its own certificate first, and the unencrypted key of that one.
absl::Status CheckIdentity(const PemFile& chain, const PemFile& key);

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_PEM_FILES_H_
