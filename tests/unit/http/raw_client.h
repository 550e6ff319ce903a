// A TCP client that sends exactly the bytes a test says, for tests of limits and broken clients.
#ifndef RAGMESH_TESTS_UNIT_HTTP_RAW_CLIENT_H_
#define RAGMESH_TESTS_UNIT_HTTP_RAW_CLIENT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh::http {

class RawClient {
 public:
  // `receive_buffer_bytes` above 0 makes the kernel hold little, so that not reading is felt by the
  // server soon.
  explicit RawClient(std::uint16_t port, int receive_buffer_bytes = 0);

  bool Send(absl::string_view bytes);
  // Reads until `marker` stands in what was received since the last call; returns all of it. Empty
  // marker: until the server closes. Gives up after 10 s and returns what there is.
  std::string ReadUntil(absl::string_view marker);
  std::string ReadToEnd() { return ReadUntil(""); }
  // True when the server closes within 10 s.
  bool SeesClose();
  void CloseNow() { fd_.reset(); }

 private:
  ScopedFd fd_;
  std::string held_;
};

}  // namespace ragmesh::http

#endif  // RAGMESH_TESTS_UNIT_HTTP_RAW_CLIENT_H_
