// A blocking TLS client for tests of who is let in.
#ifndef RAGMESH_TESTS_UNIT_HTTP_TLS_CLIENT_H_
#define RAGMESH_TESTS_UNIT_HTTP_TLS_CLIENT_H_

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <string>

namespace ragmesh::http {

// What one client, with its own certificate and its own memory of sessions, is.
class TlsClient {
 public:
  // PEM files: the authorities it trusts, and its certificate and key, both empty for none.
  TlsClient(const std::string& authorities, const std::string& certificate, const std::string& key);

  // Connects, sends `request` and reads to the end. Empty when the server is refused by this client
  // or refuses it.
  std::string Exchange(std::uint16_t port, const std::string& request);

  // Whether the last exchange went on with the session of the one before.
  bool resumed() const { return resumed_; }
  // The last server's name, from the subject of its certificate.
  const std::string& server() const { return server_; }

 private:
  template <auto Free>
  struct Deleter {
    template <typename T>
    void operator()(T* object) const {
      Free(object);
    }
  };

  std::unique_ptr<SSL_CTX, Deleter<SSL_CTX_free>> context_;
  std::unique_ptr<SSL_SESSION, Deleter<SSL_SESSION_free>> session_;
  bool resumed_ = false;
  std::string server_;
};

}  // namespace ragmesh::http

#endif  // RAGMESH_TESTS_UNIT_HTTP_TLS_CLIENT_H_
