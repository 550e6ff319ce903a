// A real llama-server on a free loopback port, as a child that ends with the test.
#ifndef RAGMESH_TESTS_INTEGRATION_REMOTE_GENERATION_LLAMA_SERVER_PROCESS_H_
#define RAGMESH_TESTS_INTEGRATION_REMOTE_GENERATION_LLAMA_SERVER_PROCESS_H_

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh::testing {

// $RAGMESH_LLAMA_SERVER, else where bench/peers/install puts it; empty when it is not there.
inline std::string LlamaServerProgram() {
  std::string path;
  if (const char* named = std::getenv("RAGMESH_LLAMA_SERVER"); named != nullptr) {
    path = named;
  } else if (const char* build = std::getenv("RAGMESH_BINARY_DIR"); build != nullptr) {
    path = absl::StrCat(build, "/../peers/llama_cpp/bin/llama-server");
  }
  return std::filesystem::exists(path) ? path : "";
}

class LlamaServerProcess {
 public:
  // `arguments` beside host and port. Its log goes to `log_file`.
  LlamaServerProcess(const std::string& program, std::vector<std::string> arguments,
                     const std::string& log_file)
      : port_(FreePort()) {
    arguments.insert(arguments.begin(),
                     {program, "--host", "127.0.0.1", "--port", absl::StrCat(port_)});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    RAGMESH_CHECK(pid_ >= 0, "fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (::getppid() != parent) ::_exit(1);
      const int log = ::open(log_file.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
      ::dup2(log, 1);
      ::dup2(log, 2);
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~LlamaServerProcess() { Kill(); }
  LlamaServerProcess(const LlamaServerProcess&) = delete;
  LlamaServerProcess& operator=(const LlamaServerProcess&) = delete;

  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }

  bool running() { return pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == 0; }

  void Kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  static int FreePort() {
    const ScopedFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    RAGMESH_CHECK(::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
    ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }

  const int port_;
  pid_t pid_ = -1;
};

}  // namespace ragmesh::testing

#endif  // RAGMESH_TESTS_INTEGRATION_REMOTE_GENERATION_LLAMA_SERVER_PROCESS_H_
