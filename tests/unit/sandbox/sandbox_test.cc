// Each case runs in a forked child, since a sandbox cannot be left again. The children are forked
// from a process with one thread, so a plain fork is safe here.
#include "libs/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>

#include "libs/sandbox/child_process.h"
#include "libs/testing/status_matchers.h"

namespace ragmesh::sandbox {
namespace {

constexpr int kNoSandbox = 99;

struct Outcome {
  int exit_code = 0;
  int signal = 0;
};

// Enters the sandbox in a child, runs `act`, and exits with what it returns.
Outcome InSandbox(const std::function<int()>& act, bool* seccomp = nullptr) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  const pid_t pid = fork();
  if (pid == 0) {
    const auto level =
        EnterSandbox({.max_cpu_time = absl::Seconds(1), .max_address_space_bytes = 0});
    const char has_seccomp = level.ok() && level->seccomp ? 1 : 0;
    if (!level.ok() || write(ends[1], &has_seccomp, 1) != 1) _exit(kNoSandbox);
    _exit(act());
  }
  close(ends[1]);
  char has_seccomp = 0;
  EXPECT_EQ(read(ends[0], &has_seccomp, 1), 1);
  close(ends[0]);
  if (seccomp != nullptr) *seccomp = has_seccomp == 1;
  int status = 0;
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) return {.signal = WTERMSIG(status)};
  return {.exit_code = WEXITSTATUS(status)};
}

TEST(SandboxTest, RefusesToOpenFiles) {
  EXPECT_EQ(InSandbox([] { return open("/etc/passwd", O_RDONLY) < 0 ? errno : 0; }).exit_code,
            EACCES);
  EXPECT_EQ(InSandbox([] { return open("/proc/self/maps", O_RDONLY) < 0 ? errno : 0; }).exit_code,
            EACCES);
  EXPECT_EQ(
      InSandbox([] { return open("/tmp/x", O_WRONLY | O_CREAT, 0600) < 0 ? errno : 0; }).exit_code,
      EACCES);
}

TEST(SandboxTest, KillsWhoOpensASocketOrStartsAProgramOrTraces) {
  bool seccomp = false;
  EXPECT_EQ(InSandbox([] { return socket(AF_INET, SOCK_STREAM, 0); }, &seccomp).signal, SIGSYS);
  if (!seccomp) GTEST_SKIP() << "skipped: the kernel has no seccomp filters";
  EXPECT_EQ(InSandbox([] {
              char* none[] = {nullptr};
              return execve("/bin/true", none, none);
            }).signal,
            SIGSYS);
  EXPECT_EQ(InSandbox([] {
              return static_cast<int>(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr));
            }).signal,
            SIGSYS);
  EXPECT_EQ(InSandbox([] { return unlink("/tmp/x"); }).signal, SIGSYS);
}

TEST(SandboxTest, RefusesNewProcessesAndExecutableMemory) {
  EXPECT_EQ(InSandbox([] { return fork() < 0 ? errno : 0; }).exit_code, EPERM);
  EXPECT_EQ(InSandbox([] {
              return mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED
                         ? errno
                         : 0;
            }).exit_code,
            EACCES);
}

TEST(SandboxTest, EndsWhoComputesTooLong) {
  EXPECT_EQ(InSandbox([]() -> int {
              for (std::atomic<unsigned long> i{0};;) i.fetch_add(1);
            }).signal,
            SIGXCPU);
}

TEST(SandboxTest, LeavesComputingAndAnsweringAlone) {
  EXPECT_EQ(InSandbox([] {
              std::string text(10 << 20, 'x');
              return text.size() == 10u << 20 ? 7 : 0;
            }).exit_code,
            7);
}

TEST(SandboxTest, NamesWhatTheKernelGave) {
  EXPECT_EQ((SandboxLevel{.landlock = true, .seccomp = true}).ToString(),
            "landlock+seccomp+rlimits");
  EXPECT_EQ((SandboxLevel{.landlock = false, .seccomp = true}).ToString(), "seccomp+rlimits");
  EXPECT_EQ(SandboxLevel{}.ToString(), "rlimits");
}

TEST(ChildProcessTest, HandsOverAMemoryFileThatNobodyCanChange) {
  auto file = NewMemoryFile();
  RAGMESH_ASSERT_OK(file);
  RAGMESH_ASSERT_OK(Append(*file, "hello"));
  RAGMESH_ASSERT_OK(Seal(*file));
  EXPECT_FALSE(Append(*file, "more").ok());
  auto child =
      ChildProcess::Spawn("/bin/sh", {"-c", "cat /dev/fd/3 >&4"}, *file, /*keep_stderr=*/false);
  RAGMESH_ASSERT_OK(child);
  char answer[16] = {};
  EXPECT_EQ(read((*child)->channel(), answer, sizeof(answer)), 5);
  EXPECT_STREQ(answer, "hello");
  EXPECT_EQ((*child)->Wait().exit_code, 0);
}

TEST(ChildProcessTest, KillsAndReapsAChildThatIsLeft) {
  auto file = NewMemoryFile();
  RAGMESH_ASSERT_OK(file);
  auto child = ChildProcess::Spawn("/bin/sh", {"-c", "while :; do :; done"}, *file, false);
  RAGMESH_ASSERT_OK(child);
  child->reset();
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "no child is left to wait for";
}

TEST(ChildProcessTest, SaysWhenAProgramCannotBeStarted) {
  auto file = NewMemoryFile();
  RAGMESH_ASSERT_OK(file);
  EXPECT_FALSE(ChildProcess::Spawn("/no/such/program", {}, *file, false).ok());
}

}  // namespace
}  // namespace ragmesh::sandbox
