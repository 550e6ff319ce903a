// Owns one file descriptor and closes it.
#ifndef RAGMESH_LIBS_BASE_SCOPED_FD_H_
#define RAGMESH_LIBS_BASE_SCOPED_FD_H_

#include <unistd.h>

#include <utility>

namespace ragmesh {

class ScopedFd {
 public:
  ScopedFd() = default;
  explicit ScopedFd(int fd) : fd_(fd) {}
  ~ScopedFd() { reset(); }
  ScopedFd(ScopedFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ScopedFd& operator=(ScopedFd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_ = -1;
};

}  // namespace ragmesh

#endif  // RAGMESH_LIBS_BASE_SCOPED_FD_H_
