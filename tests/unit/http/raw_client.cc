#include "tests/unit/http/raw_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <utility>

namespace ragmesh::http {
namespace {

constexpr int kPatienceMs = 10000;

}  // namespace

RawClient::RawClient(std::uint16_t port, int receive_buffer_bytes)
    : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
  if (receive_buffer_bytes > 0) {
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes,
               sizeof(receive_buffer_bytes));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) fd_.reset();
}

bool RawClient::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string RawClient::ReadUntil(absl::string_view marker) {
  while (true) {
    if (!marker.empty()) {
      const std::size_t at = held_.find(marker.data(), 0, marker.size());
      if (at != std::string::npos) {
        std::string result = held_.substr(0, at + marker.size());
        held_.erase(0, at + marker.size());
        return result;
      }
    }
    pollfd waiting{fd_.get(), POLLIN, 0};
    char buffer[16384];
    ssize_t size = 0;
    if (poll(&waiting, 1, kPatienceMs) > 0) size = recv(fd_.get(), buffer, sizeof(buffer), 0);
    if (size <= 0) return std::exchange(held_, "");
    held_.append(buffer, static_cast<std::size_t>(size));
  }
}

bool RawClient::SeesClose() {
  char buffer[16384];
  while (true) {
    pollfd waiting{fd_.get(), POLLIN, 0};
    if (poll(&waiting, 1, kPatienceMs) <= 0) return false;
    if (recv(fd_.get(), buffer, sizeof(buffer), 0) <= 0) return true;
  }
}

}  // namespace ragmesh::http
