// A proof: much of one thing done to a store, each time held against what must be true.
#ifndef RAGMESH_TESTS_PROOF_VECTOR_STORE_PROOF_H_
#define RAGMESH_TESTS_PROOF_VECTOR_STORE_PROOF_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/vector_store/store.h"

namespace ragmesh::vector_store {

struct ProofOptions {
  bool full = false;        // the whole number, not the gate of every change
  std::uint64_t count = 0;  // of cases; 0: the proof's own number
  std::uint64_t seed = 1;
};

// Gathers the outcome of one proof. Not thread-safe.
class Proof {
 public:
  Proof(std::string name, const ProofOptions& options);

  std::uint64_t seed() const { return options_.seed; }
  bool full() const { return options_.full; }
  std::uint64_t CountOr(std::uint64_t gate, std::uint64_t full) const {
    return options_.count > 0 ? options_.count : options_.full ? full : gate;
  }

  // One more case is done. Shows progress on stderr once in a while.
  void Done(std::uint64_t cases = 1);
  // A case came out wrong. The first few are shown.
  void Fail(absl::string_view what);
  // A figure of the last line: "unanswered writes kept: 12".
  void Count(const std::string& what, std::uint64_t by = 1) { figures_[what] += by; }

  const std::string& name() const { return name_; }
  std::uint64_t count() const { return count_; }
  std::uint64_t failures() const { return failures_; }
  const std::string& first_failure() const { return first_failure_; }  // empty: none
  const std::map<std::string, std::uint64_t>& figures() const { return figures_; }

 private:
  const std::string name_;
  const ProofOptions options_;
  const absl::Time begun_ = absl::Now();
  absl::Time shown_ = begun_;
  std::uint64_t count_ = 0;
  std::uint64_t failures_ = 0;
  std::string first_failure_;
  std::map<std::string, std::uint64_t> figures_;
};

// All of them. A proof that forks must not open a store in its own process, whose RocksDB threads a
// child would lack.
struct NamedProof {
  const char* name;
  const char* what;
  void (*run)(Proof*);
};
const std::vector<NamedProof>& AllProofs();

void ProveModel(Proof* proof);
void ProveRecall(Proof* proof);
void ProveIsolation(Proof* proof);
void ProveKill(Proof* proof);
void ProveFaults(Proof* proof);
void ProveFlips(Proof* proof);
void ProveSnapshot(Proof* proof);
void ProveMove(Proof* proof);
void ProveMoments(Proof* proof);

// A fresh folder in memory where there is such a disk: these tests end processes, not machines, and
// what a power cut takes is simulated.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Options of a store in `path` that writes and merges files, and makes segments, all the time.
StoreOptions BusyStore(const std::string& path);

// Runs `work` in a child process and returns what it returned. A child that crashed returns
// "crashed: signal 6", one that took longer than `limit` "hung".
std::string InChild(const std::function<std::string()>& work,
                    absl::Duration limit = absl::Seconds(60));

// The same for `work(0)` to `work(count - 1)`, up to `at_once` of them at the same time; `take`
// gets each result in the caller's process.
void InChildren(std::uint64_t count, int at_once,
                const std::function<std::string(std::uint64_t)>& work,
                const std::function<void(std::uint64_t, const std::string&)>& take,
                absl::Duration limit = absl::Seconds(120));

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_TESTS_PROOF_VECTOR_STORE_PROOF_H_
