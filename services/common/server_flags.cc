#include "services/common/server_flags.h"

#include "absl/strings/str_cat.h"

namespace ragmesh::services {

void AddServerFlags(flags::FlagSet& flags, rpc::ServerOptions* options) {
  flags.Group("Network");
  flags.StringList("listen", &options->listen,
                   "Addresses of the gRPC service: HOST:PORT or unix:PATH. Port 0 takes a free "
                   "one. Without TLS keep to "
                   "loopback, a UNIX socket or a network you trust.");
  flags.String(
      "admin_listen", &options->admin_listen,
      "HOST:PORT of the admin server with /metrics, /healthz and /readyz; empty turns it off.");
  flags.String("tls_cert", &options->tls.cert_file,
               "PEM file with the server's certificate chain; turns TLS on. Files are read again "
               "when they change.");
  flags.String("tls_key", &options->tls.key_file, "PEM file with the private key of --tls_cert.");
  flags.String(
      "tls_client_ca", &options->tls.client_ca_file,
      "PEM file with the authorities that sign callers' certificates; callers without one, "
      "over HTTP too, are refused.");
  flags.Group("Limits");
  flags.Int("workers", &options->workers, {1, 1024}, "calls", "Calls worked on at once.");
  flags.Int("max_queued", &options->max_queued, {1, 100'000}, "calls",
            "Calls that may wait for a worker; more are refused with RESOURCE_EXHAUSTED.");
  flags.Duration("max_call_time", &options->max_call_time, {absl::Milliseconds(1), absl::Hours(24)},
                 "Longest time a call may take; also the deadline of calls that come without one.");
  flags.Duration("max_write_stall", &options->max_write_stall,
                 {absl::Milliseconds(1), absl::Hours(1)},
                 "Longest wait for a caller that does not read its stream.");
  flags.Duration("drain_timeout", &options->drain_timeout, {absl::ZeroDuration(), absl::Hours(1)},
                 "After SIGTERM: how long running calls may take to finish.");
  flags.Bytes("max_message", &options->max_message_bytes, {64 << 10, std::int64_t{1} << 30},
              "Largest message taken or sent.");
  flags.Bytes("max_network_memory", &options->max_memory_bytes, {16 << 20, std::int64_t{1} << 40},
              "Memory for network buffers; above it connections are slowed and refused.");
  flags.Int("max_streams", &options->max_streams, {1, 100'000}, "calls",
            "Calls at once on one connection.");
  flags.Group("Log");
  flags.Choice("log_level", &options->log_level, {"debug", "info", "warning", "error"},
               "Least serious event to log, one JSON line each on stderr.");
}

void AddKernelFlag(flags::FlagSet& flags, std::string* kernel) {
  flags.Group("Compute");
  flags.Choice("kernel", kernel,
               {"auto", "scalar", "avx2", "avx2-vnni", "avx512", "avx512-vnni", "avx512-bf16",
                "amx", "neon", "neon-dotprod"},
               "Instruction set of the compute kernels; auto takes the best this processor has.");
}

rpc::ServerOptions DefaultServerOptions(int port) {
  rpc::ServerOptions options;
  options.listen = {absl::StrCat("127.0.0.1:", port)};
  options.admin_listen = absl::StrCat("127.0.0.1:", port + 100);
  return options;
}

}  // namespace ragmesh::services
