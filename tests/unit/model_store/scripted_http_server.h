// An HTTP server on a free loopback port whose every answer the test writes. One request per
// connection.
#ifndef RAGMESH_TESTS_UNIT_MODEL_STORE_SCRIPTED_HTTP_SERVER_H_
#define RAGMESH_TESTS_UNIT_MODEL_STORE_SCRIPTED_HTTP_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/check.h"

namespace ragmesh::testing {

class ScriptedHttpServer {
 public:
  // Gets a request's head, returns the bytes of the answer; the connection is closed after them.
  using Answer = std::function<std::string(const std::string& head)>;

  explicit ScriptedHttpServer(Answer answer)
      : answer_(std::move(answer)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    RAGMESH_CHECK(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
    RAGMESH_CHECK(::listen(listener_, 8) == 0, "listen");
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }

  ~ScriptedHttpServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }

  std::string address() const { return absl::StrCat("http://127.0.0.1:", port_); }

  // The heads of all requests so far.
  std::vector<std::string> requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }

 private:
  void Serve() {
    while (true) {
      const int connection = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0) return;
      std::string head;
      char byte;
      while (head.find("\r\n\r\n") == std::string::npos && ::recv(connection, &byte, 1, 0) == 1)
        head += byte;
      {
        absl::MutexLock lock(&mutex_);
        requests_.push_back(head);
      }
      const std::string bytes = answer_(head);
      for (std::size_t sent = 0; sent < bytes.size();) {
        const ssize_t n =
            ::send(connection, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) break;
        sent += static_cast<std::size_t>(n);
      }
      ::shutdown(connection, SHUT_WR);
      while (::recv(connection, &byte, 1, 0) == 1) {
      }
      ::close(connection);
    }
  }

  const Answer answer_;
  const int listener_;
  int port_ = 0;
  mutable absl::Mutex mutex_;
  std::vector<std::string> requests_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_TESTS_UNIT_MODEL_STORE_SCRIPTED_HTTP_SERVER_H_
