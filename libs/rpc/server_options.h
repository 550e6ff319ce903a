// What a gRPC server can be told. services/common/server_flags.h declares the flags.
#ifndef RAGMESH_LIBS_RPC_SERVER_OPTIONS_H_
#define RAGMESH_LIBS_RPC_SERVER_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace ragmesh::rpc {

// PEM files. All empty: no TLS.
struct ServerTls {
  std::string cert_file;  // certificate chain
  std::string key_file;   // its private key
  std::string
      client_ca_file;  // callers must show a certificate signed by one of these; empty: any caller
};

struct ServerOptions {
  std::vector<std::string>
      listen;                // "127.0.0.1:7703", "[::1]:0", "unix:/run/ragmesh/embedder.sock"
  std::string admin_listen;  // "127.0.0.1:7803"; empty: no admin port
  ServerTls tls;  // for TCP addresses; UNIX sockets are guarded by their file permissions
  absl::Duration drain_timeout = absl::Seconds(20);
  absl::Duration max_call_time = absl::Minutes(10);
  absl::Duration max_write_stall = absl::Seconds(30);
  std::int64_t workers = 8;
  std::int64_t max_queued = 256;
  std::int64_t max_message_bytes = std::int64_t{66} << 20;  // 64 MiB of content and its envelope
  std::int64_t max_memory_bytes = std::int64_t{1} << 30;    // of network buffers
  std::int64_t max_streams = 1024;                          // calls at once on one connection
  std::string log_level = "info";
};

// INVALID_ARGUMENT naming the flag when options contradict each other or a file cannot be read.
absl::Status Validate(const ServerOptions& options);

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_SERVER_OPTIONS_H_
