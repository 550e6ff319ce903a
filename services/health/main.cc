// ragmesh-health [PORT [PATH]]: asks a stage's admin port on this machine whether it is ready. Exit
// status 0: yes; 1: it says no, or does not answer within 3 s. For container health checks, in
// images that have no shell and no curl.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

constexpr int kDefaultPort = 9100;
constexpr int kTimeoutSeconds = 3;
constexpr std::size_t kMaxAnswerBytes = 4096;  // a status line and one short reason

int Fail(const char* problem) {
  std::fprintf(stderr, "ragmesh-health: %s\n", problem);
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const int port = argc > 1 ? std::atoi(argv[1]) : kDefaultPort;
  const std::string path = argc > 2 ? argv[2] : "/readyz";
  if (port < 1 || port > 65535) return Fail("the port must be 1 to 65535");

  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval timeout = {kTimeoutSeconds, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Fail("nothing listens on the admin port");
  }
  const std::string request =
      "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return Fail("the admin port closed the connection");
  }
  std::string answer;
  char buffer[1024];
  for (ssize_t got;
       answer.size() < kMaxAnswerBytes && (got = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;) {
    answer.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fd);
  // "HTTP/1.1 200 OK": the code begins after the first space.
  const std::size_t space = answer.find(' ');
  if (answer.compare(0, 5, "HTTP/") != 0 || space == std::string::npos)
    return Fail("no answer in time");
  if (answer.compare(space + 1, 3, "200") == 0) return 0;
  const std::size_t body = answer.find("\r\n\r\n");
  return Fail(body == std::string::npos ? "not ready" : answer.c_str() + body + 4);
}
