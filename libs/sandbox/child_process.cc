#include "libs/sandbox/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::sandbox {
namespace {

constexpr int kSafeFd =
    16;  // above the child's own descriptors, so that moving them cannot overwrite one another

// What a child needs to find its libraries, and nothing that could carry a secret.
std::vector<std::string> ChildEnvironment() {
  // One thread: numeric libraries that a program links start as many as there are processors.
  std::vector<std::string> environment = {"LC_ALL=C", "OPENBLAS_NUM_THREADS=1", "OMP_NUM_THREADS=1",
                                          absl::StrCat(kChildVariable, "=1")};
  for (const char* name :
       {"LD_LIBRARY_PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "MAGIC"}) {
    if (const char* value = std::getenv(name))
      environment.push_back(absl::StrCat(name, "=", value));
  }
  return environment;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

absl::StatusOr<ScopedFd> Moved(int fd) {
  const int moved = fcntl(fd, F_DUPFD_CLOEXEC, kSafeFd);
  if (moved < 0) return ErrnoError("fcntl DUPFD", errno);
  return ScopedFd(moved);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ChildProcess>> ChildProcess::Spawn(
    const std::string& program, const std::vector<std::string>& arguments, const ScopedFd& input,
    bool keep_stderr) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    return ErrnoError("socketpair", errno);
  ScopedFd ours(ends[0]);
  const ScopedFd theirs(ends[1]);
  RAGMESH_ASSIGN_OR_RETURN(const ScopedFd child_input, Moved(input.get()));
  RAGMESH_ASSIGN_OR_RETURN(const ScopedFd child_channel, Moved(theirs.get()));

  std::vector<std::string> argument_strings = {program};
  argument_strings.insert(argument_strings.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment_strings = ChildEnvironment();
  const std::vector<char*> argument_pointers = Pointers(argument_strings);
  const std::vector<char*> environment_pointers = Pointers(environment_strings);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  if (!keep_stderr) posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, child_input.get(), kInputFd);
  posix_spawn_file_actions_adddup2(&actions, child_channel.get(), kChannelFd);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  sigset_t all;
  sigfillset(&all);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &all);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = 0;
  const int error = posix_spawn(&pid, program.c_str(), &actions, &attributes,
                                argument_pointers.data(), environment_pointers.data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return ErrnoError(absl::StrCat("starting ", program), error);
  return std::unique_ptr<ChildProcess>(new ChildProcess(pid, std::move(ours)));
}

ChildProcess::~ChildProcess() {
  if (waited_) return;
  Kill();
  Wait();
}

void ChildProcess::Kill() const { kill(pid_, SIGKILL); }

ChildExit ChildProcess::Wait() {
  waited_ = true;
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0) {
    if (errno != EINTR) return {.exit_code = -1};
  }
  if (WIFSIGNALED(status)) return {.signal = WTERMSIG(status)};
  return {.exit_code = WEXITSTATUS(status)};
}

absl::StatusOr<ScopedFd> NewMemoryFile() {
  const int fd = memfd_create("document", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return ErrnoError("memfd_create", errno);
  return ScopedFd(fd);
}

absl::Status Append(const ScopedFd& file, absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return ErrnoError("writing a memory file", errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status Seal(const ScopedFd& file) {
  if (fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) !=
      0) {
    return ErrnoError("sealing a memory file", errno);
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::sandbox
