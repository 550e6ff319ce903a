#include "libs/sandbox/sandbox.h"

#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <iterator>
#include <memory>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::sandbox {
namespace {

// Of linux/landlock.h; the kernel headers of Debian 12 know only its first versions.
constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockRestrictSelf = 446;
constexpr unsigned kLandlockVersion = 1;
struct LandlockRuleset {
  std::uint64_t handled_access_fs;
  std::uint64_t handled_access_net;
  std::uint64_t scoped;
};

absl::Status SetLimit(decltype(RLIMIT_CPU) resource, const char* name, rlim_t soft, rlim_t hard) {
  const rlimit limit = {soft, hard};
  if (setrlimit(resource, &limit) != 0) return ErrnoError(absl::StrCat("setrlimit ", name), errno);
  return absl::OkStatus();
}

absl::Status SetLimits(const SandboxPolicy& policy) {
  const auto seconds =
      static_cast<rlim_t>(absl::ToInt64Seconds(absl::Ceil(policy.max_cpu_time, absl::Seconds(1))));
  RAGMESH_RETURN_IF_ERROR(SetLimit(RLIMIT_CPU, "CPU", seconds, seconds + 1));
  if (policy.max_address_space_bytes != 0) {
    RAGMESH_RETURN_IF_ERROR(
        SetLimit(RLIMIT_AS, "AS", policy.max_address_space_bytes, policy.max_address_space_bytes));
  }
  RAGMESH_RETURN_IF_ERROR(
      SetLimit(RLIMIT_NOFILE, "NOFILE", policy.max_open_files, policy.max_open_files));
  RAGMESH_RETURN_IF_ERROR(SetLimit(RLIMIT_FSIZE, "FSIZE", 0, 0));
  return SetLimit(RLIMIT_CORE, "CORE", 0, 0);
}

// A ruleset without rules denies everything it handles. Each version of the interface handles more.
bool EnterLandlock() {
  const long version = syscall(kLandlockCreateRuleset, nullptr, 0, kLandlockVersion);
  if (version < 1) return false;
  LandlockRuleset ruleset = {};
  const int fs_rights = version == 1 ? 13 : version == 2 ? 14 : version < 5 ? 15 : 16;
  ruleset.handled_access_fs = (1ULL << fs_rights) - 1;
  if (version >= 4) ruleset.handled_access_net = 3;  // bind and connect TCP
  if (version >= 6) ruleset.scoped = 3;              // abstract UNIX sockets and signals
  const std::size_t size = version < 4 ? 8 : version < 6 ? 16 : 24;
  const long fd = syscall(kLandlockCreateRuleset, &ruleset, size, 0);
  if (fd < 0) return false;
  const bool restricted = syscall(kLandlockRestrictSelf, fd, 0) == 0;
  close(static_cast<int>(fd));
  return restricted;
}

// Memory, time, waiting, and answering on what is open.
constexpr int kAllowed[] = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(tgkill),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(uname),
    SCMP_SYS(getrusage),
};

// Libraries look for fonts, locales and time zones when they feel like it; they are told no and go
// on without.
constexpr int kDenied[] = {
    SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(openat2),    SCMP_SYS(stat),
    SCMP_SYS(lstat),      SCMP_SYS(fstat),      SCMP_SYS(newfstatat), SCMP_SYS(statx),
    SCMP_SYS(access),     SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(readlink),
    SCMP_SYS(readlinkat), SCMP_SYS(getdents64), SCMP_SYS(getcwd),     SCMP_SYS(fcntl),
    SCMP_SYS(ioctl),      SCMP_SYS(sysinfo),    SCMP_SYS(prlimit64),
};

bool EnterSeccomp() {
  const std::unique_ptr<void, decltype(&seccomp_release)> filter(
      seccomp_init(SCMP_ACT_KILL_PROCESS), &seccomp_release);
  if (filter == nullptr) return false;
  bool ok = true;
  for (const int call : kAllowed)
    ok = ok && seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 0) == 0;
  for (const int call : kDenied)
    ok = ok && seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EACCES), call, 0) == 0;
  for (const int call : {SCMP_SYS(clone), SCMP_SYS(clone3)}) {
    ok = ok && seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EPERM), call, 0) == 0;
  }
  // Memory never becomes executable.
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    ok = ok && seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)) == 0;
    ok = ok && seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(EACCES), call, 1,
                                SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC)) == 0;
  }
  ok = ok && seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1) == 0;
  return ok && seccomp_load(filter.get()) == 0;
}

}  // namespace

std::string SandboxLevel::ToString() const {
  return absl::StrCat(landlock ? "landlock+" : "", seccomp ? "seccomp+" : "", "rlimits");
}

absl::StatusOr<SandboxLevel> EnterSandbox(const SandboxPolicy& policy) {
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return ErrnoError("prctl PDEATHSIG", errno);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoError("prctl NO_NEW_PRIVS", errno);
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return ErrnoError("prctl DUMPABLE", errno);
  SandboxLevel level;
  level.landlock = EnterLandlock();
  // The filter needs memory and a descriptor to load, so the limits come before it, but not before
  // Landlock's own.
  RAGMESH_RETURN_IF_ERROR(SetLimits(policy));
  level.seccomp = EnterSeccomp();
  return level;
}

}  // namespace ragmesh::sandbox
