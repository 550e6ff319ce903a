// One accepted connection: reads requests, hands each to the handler, writes what it answers.
// Internal to libs/http.
#ifndef RAGMESH_LIBS_HTTP_CONNECTION_H_
#define RAGMESH_LIBS_HTTP_CONNECTION_H_

#include <atomic>
#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/strand.hpp"
#include "libs/http/byte_stream.h"
#include "libs/http/server.h"
#include "libs/http/tls_context.h"

namespace ragmesh::http {

class Connection;

// What all connections of one server share. Outlives every connection and every exchange.
struct ServerState {
  explicit ServerState(const ServerOptions& server_options, Handler request_handler,
                       Server::AccessLog log)
      : options(server_options), handler(std::move(request_handler)), access_log(std::move(log)) {}

  // Counts one more exchange of `remote`; false when that is over the bound.
  bool EnterExchange(const std::string& remote);
  void LeaveExchange(const std::string& remote);

  const ServerOptions options;
  const Handler handler;
  const Server::AccessLog access_log;
  boost::asio::io_context io;
  std::unique_ptr<TlsContextSource> tls;  // null: no TLS
  std::atomic<bool> draining{false};

  absl::Mutex mutex;
  std::unordered_set<Connection*> connections ABSL_GUARDED_BY(mutex);
  std::unordered_map<std::string, int> exchanges ABSL_GUARDED_BY(mutex);
  bool stopped ABSL_GUARDED_BY(mutex) = false;  // no thread runs `io` any more
};

// Starts serving `socket`, whose executor is a strand of its own. The connection owns itself until
// it is closed.
void ServeConnection(std::shared_ptr<ServerState> state, boost::asio::ip::tcp::socket socket);

// Lets each connection's running exchange end, then closes it; idle ones at once. With `now`, ends
// the exchanges too.
void CloseConnections(ServerState& state, bool now);

}  // namespace ragmesh::http

#endif  // RAGMESH_LIBS_HTTP_CONNECTION_H_
