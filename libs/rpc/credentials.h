// TLS from PEM files, which are read again when they change.
#ifndef RAGMESH_LIBS_RPC_CREDENTIALS_H_
#define RAGMESH_LIBS_RPC_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "libs/rpc/server_options.h"

namespace grpc {
class ChannelCredentials;
class ServerCredentials;
}  // namespace grpc

namespace ragmesh::rpc {

// PEM files of a client. All empty: no TLS.
struct ClientTls {
  std::string ca_file;      // authorities that sign the servers' certificates; turns TLS on
  std::string cert_file;    // this client's certificate chain, for servers that ask for one
  std::string key_file;     // its private key
  std::string server_name;  // name to expect in the server's certificate; empty: the target's host
  std::string flags =
      "--tls";  // what the flags of these files begin with: "--tls_ca", for messages
};

// INVALID_ARGUMENT naming the flag when files are missing, cannot be used, or would leave the
// connection plain although some were given.
absl::Status Validate(const ClientTls& tls);

// Plain for UNIX sockets and when `tls` is empty; what is given has been validated.
std::shared_ptr<grpc::ServerCredentials> ServerCredentialsFor(const std::string& address,
                                                              const ServerTls& tls);
std::shared_ptr<grpc::ChannelCredentials> ChannelCredentialsFor(const std::string& target,
                                                                const ClientTls& tls);

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_CREDENTIALS_H_
