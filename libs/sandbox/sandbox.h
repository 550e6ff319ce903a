// Takes from this process, for good, everything that computing on memory and answering on open
// descriptors does not need.
#ifndef RAGMESH_LIBS_SANDBOX_SANDBOX_H_
#define RAGMESH_LIBS_SANDBOX_SANDBOX_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace ragmesh::sandbox {

struct SandboxPolicy {
  absl::Duration max_cpu_time =
      absl::Seconds(30);  // rounded up to seconds; then SIGXCPU, then SIGKILL
  std::uint64_t max_address_space_bytes =
      1ULL << 30;  // 0: unlimited, for sanitizers, which reserve terabytes
  std::uint64_t max_open_files = 16;
};

// What the kernel could do. Resource limits and no_new_privs are always there.
struct SandboxLevel {
  bool landlock = false;  // no file, no TCP port, whatever the system call
  bool seccomp = false;   // no system call outside the list

  // "landlock+seccomp+rlimits", "seccomp+rlimits", "rlimits".
  std::string ToString() const;
};

// Call once, when all files and libraries are open and before any untrusted byte is read.
// Afterwards: no file can be opened (EACCES); sockets, new programs, tracing and the rest end the
// process with SIGSYS; threads are refused (EPERM); files cannot grow; no core is written; the
// process dies with its parent thread. Binds all threads of the process. Kernels without Landlock
// or seccomp get less, and the level says so.
absl::StatusOr<SandboxLevel> EnterSandbox(const SandboxPolicy& policy);

}  // namespace ragmesh::sandbox

#endif  // RAGMESH_LIBS_SANDBOX_SANDBOX_H_
