#include "tests/proof/vector_store/proof.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <filesystem>

#include "absl/strings/str_cat.h"

namespace ragmesh::vector_store {
namespace {

constexpr absl::Duration kProgressEvery = absl::Seconds(4);
constexpr std::uint64_t kShownFailures = 10;

struct Child {
  pid_t id = -1;
  int pipe = -1;  // its result
};

Child Start(const std::function<std::string()>& work, absl::Duration limit) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  const pid_t child = fork();
  if (child != 0) {
    close(ends[1]);
    return {child, ends[0]};
  }
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  close(ends[0]);
  alarm(static_cast<unsigned>(absl::ToInt64Seconds(limit)));
  const std::string result = work();
  for (std::size_t at = 0; at < result.size();) {
    const ssize_t written = write(ends[1], result.data() + at, result.size() - at);
    if (written <= 0) _exit(1);
    at += static_cast<std::size_t>(written);
  }
  _exit(0);
}

std::string Await(const Child& child) {
  std::string result;
  char buffer[4096];
  for (ssize_t got; (got = read(child.pipe, buffer, sizeof(buffer))) > 0;)
    result.append(buffer, static_cast<std::size_t>(got));
  close(child.pipe);
  int status = 0;
  if (child.id < 0 || waitpid(child.id, &status, 0) != child.id) return "cannot start a child";
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) return "hung";
  if (WIFSIGNALED(status)) return absl::StrCat("crashed: signal ", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) return absl::StrCat("crashed: status ", WEXITSTATUS(status));
  return result;
}

}  // namespace

Proof::Proof(std::string name, const ProofOptions& options)
    : name_(std::move(name)), options_(options) {}

void Proof::Done(std::uint64_t cases) {
  count_ += cases;
  if (absl::Now() - shown_ < kProgressEvery) return;
  shown_ = absl::Now();
  std::fprintf(stderr, "%s: %llu after %.0f s, %llu failed\n", name_.c_str(),
               static_cast<unsigned long long>(count_), absl::ToDoubleSeconds(shown_ - begun_),
               static_cast<unsigned long long>(failures_));
}

void Proof::Fail(absl::string_view what) {
  if (failures_ == 0) first_failure_ = std::string(what);
  if (++failures_ > kShownFailures) return;
  std::fprintf(stderr, "%s: FAILED, case %llu, seed %llu: %s\n", name_.c_str(),
               static_cast<unsigned long long>(count_),
               static_cast<unsigned long long>(options_.seed), std::string(what).c_str());
}

ScratchFolder::ScratchFolder() {
  const std::string memory = "/dev/shm";
  const std::string parent =
      access(memory.c_str(), W_OK) == 0 ? memory : std::filesystem::temp_directory_path().string();
  path_ = absl::StrCat(parent, "/ragmesh-proof-XXXXXX");
  if (mkdtemp(path_.data()) == nullptr) {
    std::perror("cannot make a scratch folder");
    std::exit(1);
  }
}

ScratchFolder::~ScratchFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

StoreOptions BusyStore(const std::string& path) {
  StoreOptions options;
  options.path = path;
  options.write_buffer_bytes = 64 << 10;
  options.low_free_bytes = options.high_free_bytes = 0;
  options.seal_rows = 16;
  options.sync_beside_bytes = 1;
  return options;
}

std::string InChild(const std::function<std::string()>& work, absl::Duration limit) {
  return Await(Start(work, limit));
}

void InChildren(std::uint64_t count, int at_once,
                const std::function<std::string(std::uint64_t)>& work,
                const std::function<void(std::uint64_t, const std::string&)>& take,
                absl::Duration limit) {
  std::deque<std::pair<std::uint64_t, Child>> running;
  const auto take_oldest = [&] {
    const auto [number, child] = running.front();
    running.pop_front();
    take(number, Await(child));
  };
  for (std::uint64_t i = 0; i < count; ++i) {
    if (running.size() == static_cast<std::size_t>(at_once)) take_oldest();
    running.emplace_back(i, Start([&work, i] { return work(i); }, limit));
  }
  while (!running.empty()) take_oldest();
}

const std::vector<NamedProof>& AllProofs() {
  static const std::vector<NamedProof> proofs = {
      {"model", "random operations equal a plain map, searches equal brute force", ProveModel},
      {"recall", "searches find what brute force finds, at each size", ProveRecall},
      {"isolation", "nobody gets a chunk of another tenant or label", ProveIsolation},
      {"snapshot", "a snapshot under writes is one moment of the store", ProveSnapshot},
      {"move", "a collection that is exported and imported is one moment of it, or refused",
       ProveMove},
      {"moments", "the store of any moment comes back from its archive", ProveMoments},
      {"kill", "kill -9 under mixed load loses nothing acknowledged", ProveKill},
      {"faults", "a failing, full, short-writing or lying disk loses nothing acknowledged",
       ProveFaults},
      {"flips", "a flipped bit is detected or changes no answer", ProveFlips}};
  return proofs;
}

}  // namespace ragmesh::vector_store
