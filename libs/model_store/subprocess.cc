#include "libs/model_store/subprocess.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/scoped_fd.h"
#include "libs/base/status_macros.h"

extern char** environ;

namespace ragmesh::model_store {
namespace {

constexpr int kTickMilliseconds = 200;
constexpr std::size_t kTailBytes = 8192;

std::vector<std::string> WithEnvironment(
    const std::vector<std::pair<std::string, std::string>>& added) {
  std::vector<std::string> result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    bool replaced = false;
    for (const auto& [name, value] : added)
      replaced |= absl::StartsWith(*entry, absl::StrCat(name, "="));
    if (!replaced) result.emplace_back(*entry);
  }
  for (const auto& [name, value] : added) result.push_back(absl::StrCat(name, "=", value));
  return result;
}

std::vector<char*> Pointers(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Starts the program in a process group of its own with `output` as standard output and error.
absl::StatusOr<pid_t> Start(std::vector<std::string> arguments,
                            std::vector<std::string> environment, int output) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
  posix_spawnattr_setpgroup(&attributes, 0);
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, arguments[0].c_str(), &actions, &attributes,
                                   Pointers(arguments).data(), Pointers(environment).data());
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return ErrnoError(absl::StrCat("start ", arguments[0]), error);
  return pid;
}

void KeepTail(const char* data, std::size_t size, std::string* tail) {
  tail->append(data, size);
  if (tail->size() > kTailBytes) tail->erase(0, tail->size() - kTailBytes);
}

// Reads until the writers have closed the pipe, or `call` ends.
absl::Status Drain(int fd, std::string* tail, const std::function<void()>& tick,
                   const CallContext& call) {
  while (true) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    struct pollfd ready = {fd, POLLIN, 0};
    const int count = ::poll(&ready, 1, kTickMilliseconds);
    if (tick) tick();
    if (count <= 0) continue;
    char buffer[4096];
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::OkStatus();
    KeepTail(buffer, static_cast<std::size_t>(got), tail);
  }
}

}  // namespace

absl::StatusOr<SubprocessResult> RunSubprocess(
    const std::vector<std::string>& arguments,
    const std::vector<std::pair<std::string, std::string>>& environment,
    const std::function<void()>& tick, const CallContext& call) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError("pipe", errno);
  ScopedFd reader(ends[0]), writer(ends[1]);
  RAGMESH_ASSIGN_OR_RETURN(const pid_t pid,
                           Start(arguments, WithEnvironment(environment), writer.get()));
  writer.reset();
  SubprocessResult result;
  const absl::Status status = Drain(reader.get(), &result.output_tail, tick, call);
  if (!status.ok()) ::kill(-pid, SIGKILL);
  int state = 0;
  while (::waitpid(pid, &state, 0) < 0 && errno == EINTR) {
  }
  RAGMESH_RETURN_IF_ERROR(status);
  result.exit_code = WIFEXITED(state) ? WEXITSTATUS(state) : 128 + WTERMSIG(state);
  return result;
}

}  // namespace ragmesh::model_store
