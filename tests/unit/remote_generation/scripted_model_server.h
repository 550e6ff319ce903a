// An HTTP server on a free loopback port that does what the test tells it, piece by piece: slow,
// lying and hostile answers among them. Many connections at once, each kept open as the script
// wants.
#ifndef RAGMESH_TESTS_UNIT_REMOTE_GENERATION_SCRIPTED_MODEL_SERVER_H_
#define RAGMESH_TESTS_UNIT_REMOTE_GENERATION_SCRIPTED_MODEL_SERVER_H_

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <functional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "libs/base/check.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh::testing {

struct ScriptedRequest {
  std::string head;  // request line and headers
  std::string body;

  // "POST /v1/completions"
  std::string line() const { return head.substr(0, head.find(" HTTP/")); }
};

// The client's end of one exchange, for the script.
class ScriptedConnection {
 public:
  explicit ScriptedConnection(int fd) : fd_(fd) {}

  // False once the client is gone.
  bool Send(const std::string& bytes) {
    for (std::size_t sent = 0; sent < bytes.size();) {
      const ssize_t n = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return false;
      sent += static_cast<std::size_t>(n);
    }
    return true;
  }
  bool SendAnswer(int status, const std::string& body, const std::string& headers = "") {
    return Send(absl::StrCat("HTTP/1.1 ", status, " X\r\nContent-Type: application/json\r\n",
                             headers, "Content-Length: ", body.size(), "\r\n\r\n", body));
  }
  bool BeginEvents() {
    return Send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n");
  }
  bool SendEvent(const std::string& data) { return Send(absl::StrCat("data: ", data, "\n\n")); }

  // Waits until the client closes the connection; false when it does not within the time.
  bool WaitForClose(absl::Duration most) {
    pollfd waited{fd_, POLLIN, 0};
    if (::poll(&waited, 1, static_cast<int>(absl::ToInt64Milliseconds(most))) <= 0) return false;
    char byte;
    return ::recv(fd_, &byte, 1, MSG_PEEK) <= 0;
  }

 private:
  const int fd_;
};

class ScriptedModelServer {
 public:
  // Answers one request, on a thread of its connection. False: the connection is closed after it.
  using Script = std::function<bool(const ScriptedRequest&, ScriptedConnection&)>;

  explicit ScriptedModelServer(Script script)
      : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    RAGMESH_CHECK(::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0,
                  "bind");
    RAGMESH_CHECK(::listen(listener_.get(), 64) == 0, "listen");
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Accept(); });
  }

  ~ScriptedModelServer() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    std::vector<std::thread> workers;
    {
      absl::MutexLock lock(&mutex_);
      for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
      workers.swap(workers_);
    }
    for (std::thread& worker : workers) worker.join();
  }

  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }

  std::vector<ScriptedRequest> requests() const {
    absl::MutexLock lock(&mutex_);
    return requests_;
  }
  int connections() const {
    absl::MutexLock lock(&mutex_);
    return connections_;
  }

 private:
  void Accept() {
    while (true) {
      const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) return;
      absl::MutexLock lock(&mutex_);
      ++connections_;
      open_.insert(fd);
      workers_.emplace_back([this, fd] { Serve(fd); });
    }
  }

  void Serve(int fd) {
    ScriptedRequest request;
    ScriptedConnection connection(fd);
    while (ReadRequest(fd, &request)) {
      {
        absl::MutexLock lock(&mutex_);
        requests_.push_back(request);
      }
      if (!script_(request, connection)) break;
    }
    absl::MutexLock lock(&mutex_);
    open_.erase(fd);
    ::close(fd);
  }

  static bool ReadRequest(int fd, ScriptedRequest* request) {
    *request = {};
    char byte;
    while (!absl::EndsWith(request->head, "\r\n\r\n")) {
      if (::recv(fd, &byte, 1, 0) != 1) return false;
      request->head += byte;
    }
    std::size_t length = 0;
    const std::size_t at = request->head.find("Content-Length: ");
    if (at != std::string::npos) {
      const std::size_t end = request->head.find('\r', at);
      (void)absl::SimpleAtoi(request->head.substr(at + 16, end - at - 16), &length);
    }
    request->body.resize(length);
    return length == 0 ||
           ::recv(fd, request->body.data(), length, MSG_WAITALL) == static_cast<ssize_t>(length);
  }

  const Script script_;
  const ScopedFd listener_;
  int port_ = 0;
  mutable absl::Mutex mutex_;
  std::vector<ScriptedRequest> requests_ ABSL_GUARDED_BY(mutex_);
  std::set<int> open_ ABSL_GUARDED_BY(mutex_);
  int connections_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::thread> workers_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

// What llama-server and vLLM answer to GET /v1/models, cut to what is read.
inline std::string LlamaServerModels(int context = 2048) {
  return absl::StrCat(
      R"({"object":"list","data":[{"id":"tiny.gguf","owned_by":"llamacpp","meta":{"n_ctx":)",
      context, "}}]}");
}
inline std::string VllmModels(int context = 4096) {
  return absl::StrCat(R"({"object":"list","data":[{"id":"big","owned_by":"vllm","max_model_len":)",
                      context, "}]}");
}
inline std::string OtherModels() {
  return R"({"object":"list","data":[{"id":"some-model","owned_by":"someone"}]})";
}

// An event of a chat.
inline std::string Delta(const std::string& text) {
  return absl::StrCat(R"({"choices":[{"index":0,"delta":{"content":")", text,
                      R"("},"finish_reason":null}],"usage":null})");
}
inline std::string Finish(const std::string& reason) {
  return absl::StrCat(R"({"choices":[{"index":0,"delta":{},"finish_reason":")", reason, R"("}]})");
}
inline constexpr char kUsageEvent[] =
    R"({"choices":[],"usage":{"prompt_tokens":12,"completion_tokens":3,"total_tokens":15,)"
    R"("prompt_tokens_details":{"cached_tokens":4}}})";

}  // namespace ragmesh::testing

#endif  // RAGMESH_TESTS_UNIT_REMOTE_GENERATION_SCRIPTED_MODEL_SERVER_H_
