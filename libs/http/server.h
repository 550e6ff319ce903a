// An HTTP/1.1 server on Boost.Beast: many connections on one or two threads, every wait and every
// buffer bounded.
#ifndef RAGMESH_LIBS_HTTP_SERVER_H_
#define RAGMESH_LIBS_HTTP_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/http/exchange.h"

namespace ragmesh::http {

// Read again when they change.
struct TlsFiles {
  std::string certificate_chain;  // PEM path
  std::string private_key;        // PEM path
  // PEM path; clients must show a certificate signed by one of these. Empty: any client.
  std::string client_authorities;
};

struct ServerOptions {
  std::string address = "127.0.0.1";  // IPv4 or IPv6
  std::uint16_t port = 0;             // 0: any free one, see Server::port
  int threads = 1;
  std::optional<TlsFiles> tls;

  std::size_t max_header_bytes = 16 * 1024;  // request line and headers together
  std::size_t max_header_fields = 100;
  std::size_t write_buffer_bytes = 256 * 1024;  // per stream, see Exchange::Write
  int max_connections = 1024;                   // more are answered 503 and closed
  int max_exchanges_per_client =
      128;  // per address, running at once; more are answered 429; 0: no bound

  absl::Duration idle_timeout = absl::Seconds(75);  // between two requests of a connection
  absl::Duration head_timeout = absl::Seconds(10);  // from a head's first byte to its last
  absl::Duration body_timeout = absl::Seconds(30);  // without a byte of the body
  std::size_t min_body_bytes_per_second =
      256;  // averaged over the body once body_timeout has passed
  absl::Duration write_timeout = absl::Seconds(30);        // without the client taking a byte
  absl::Duration keep_alive_interval = absl::Seconds(15);  // see StreamHead::keep_alive

  // Values of Host that are served, without port; empty: any. A list keeps a hostile page from
  // reaching a local server through a name of its own (DNS rebinding).
  std::vector<std::string> allowed_hosts;
  // Origins whose pages may read answers and change things, for example "https://chat.example";
  // "*": any. Empty: only pages this server itself served.
  std::vector<std::string> allowed_origins;
};

// What is known of an exchange when it is over.
struct AccessRecord {
  std::string id;
  std::string method;
  std::string path;  // without the query, which may hold user text
  std::string remote;
  int status = 0;               // 499 when the client went away before the end
  std::uint64_t bytes_in = 0;   // of the body
  std::uint64_t bytes_out = 0;  // of the body
  absl::Duration duration;
};

class Server {
 public:
  using AccessLog =
      std::function<void(const AccessRecord&)>;  // called on network threads, must not block

  // Listens at once. `handler` is called on a network thread when a request's head is complete; it
  // must not block.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options,
                                                       Handler handler,
                                                       AccessLog access_log = nullptr);
  virtual ~Server() = default;

  virtual std::uint16_t port() const = 0;

  // Accepts no more, closes idle connections, lets running exchanges end until `deadline`, then
  // cancels the rest. Returns when all threads have ended. Called by the destructor with no time
  // left. Idempotent.
  virtual void Shutdown(absl::Time deadline) = 0;

  virtual int open_connections() const = 0;
};

// Names and addresses under which a server bound to `address` is reached from its own machine when
// the address is a loopback one; empty (any host) otherwise.
std::vector<std::string> LoopbackHosts(absl::string_view address);

}  // namespace ragmesh::http

#endif  // RAGMESH_LIBS_HTTP_SERVER_H_
