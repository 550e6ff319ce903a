// A child of ours that talks on one socket. It is a new program, never a bare fork: a fork of a
// process with threads inherits locked locks, and shares every byte of its parent's memory with the
// code that reads hostile input.
#ifndef RAGMESH_LIBS_SANDBOX_CHILD_PROCESS_H_
#define RAGMESH_LIBS_SANDBOX_CHILD_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh::sandbox {

// Descriptors of the child besides 0, 1 and 2, which are /dev/null.
inline constexpr int kInputFd = 3;    // what it reads from, sealed
inline constexpr int kChannelFd = 4;  // the socket

// Set in the environment of every child.
inline constexpr char kChildVariable[] = "RAGMESH_CHILD";

struct ChildExit {
  int exit_code = 0;  // when `signal` is 0
  int signal = 0;
};

// Kill() is thread-safe; everything else belongs to one thread.
class ChildProcess {
 public:
  // Runs `program` with `arguments` and a nearly empty environment. `input` becomes descriptor 3 of
  // the child; close-on-exec descriptors of ours do not reach it. `keep_stderr` leaves descriptor 2
  // as ours is.
  static absl::StatusOr<std::unique_ptr<ChildProcess>> Spawn(
      const std::string& program, const std::vector<std::string>& arguments, const ScopedFd& input,
      bool keep_stderr);

  // Kills and reaps what still runs.
  ~ChildProcess();

  // Our end of the socket.
  int channel() const { return channel_.get(); }

  // SIGKILL. Must not be called after Wait() has begun.
  void Kill() const;

  // Waits for the end; call once.
  ChildExit Wait();

 private:
  ChildProcess(pid_t pid, ScopedFd channel) : pid_(pid), channel_(std::move(channel)) {}

  const pid_t pid_;
  const ScopedFd channel_;
  bool waited_ = false;
};

// A memory file: filled by Append, then made unchangeable by Seal.
absl::StatusOr<ScopedFd> NewMemoryFile();
absl::Status Append(const ScopedFd& file, absl::string_view bytes);
absl::Status Seal(const ScopedFd& file);

}  // namespace ragmesh::sandbox

#endif  // RAGMESH_LIBS_SANDBOX_CHILD_PROCESS_H_
