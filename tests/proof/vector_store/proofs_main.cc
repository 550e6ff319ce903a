// Runs the proofs of the vector store and prints one line for each. tests/proof/vector_store/run
// adds the thread sanitizer to them.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/proof/vector_store/proof.h"

namespace ragmesh::vector_store {
namespace {

struct Flags {
  ProofOptions options;
  std::string only;
  bool json = false;
  int jobs = 2;
};

void Print(const Proof& proof, double seconds, const Flags& flags) {
  std::string figures;
  for (const auto& [what, count] : proof.figures())
    absl::StrAppend(&figures, figures.empty() ? "" : ", ", what, ": ", count);
  const auto count = static_cast<unsigned long long>(proof.count());
  const auto failures = static_cast<unsigned long long>(proof.failures());
  const auto seed = static_cast<unsigned long long>(proof.seed());
  if (flags.json) {
    std::printf(
        "{\"name\": \"%s\", \"count\": %llu, \"failures\": %llu, \"seconds\": %.1f, \"seed\": "
        "%llu}\n",
        proof.name().c_str(), count, failures, seconds, seed);
  } else {
    std::printf(
        "%-10s %8llu cases, %llu failed, %6.1f s, seed %llu%s%s%s%s\n", proof.name().c_str(), count,
        failures, seconds, seed, figures.empty() ? "" : "; ", figures.c_str(),
        proof.first_failure().empty() ? "" : "; first failure: ", proof.first_failure().c_str());
  }
  std::fflush(stdout);
}

// In a process of its own, so that a crash of one is a failure of that one alone.
pid_t Start(const NamedProof& named, const Flags& flags) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  const absl::Time begun = absl::Now();
  Proof proof(named.name, flags.options);
  named.run(&proof);
  Print(proof, absl::ToDoubleSeconds(absl::Now() - begun), flags);
  std::exit(proof.failures() == 0 && proof.count() > 0 ? 0 : 1);
}

int Run(const Flags& flags) {
  int failed = 0, running = 0, matched = 0;
  std::map<pid_t, const char*> names;
  const auto wait_for_one = [&] {
    int status = 0;
    const pid_t child = wait(&status);
    --running;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
    ++failed;
    if (!WIFEXITED(status))
      std::fprintf(stderr, "%s: FAILED, it ended by signal %d\n", names[child], WTERMSIG(status));
  };
  for (const NamedProof& named : AllProofs()) {
    if (!flags.only.empty() && flags.only != named.name) continue;
    ++matched;
    if (running == flags.jobs) wait_for_one();
    names[Start(named, flags)] = named.name;
    ++running;
  }
  while (running > 0) wait_for_one();
  if (matched == 0) {
    std::fprintf(stderr, "there is no proof '%s'; there are:\n", flags.only.c_str());
    for (const NamedProof& named : AllProofs())
      std::fprintf(stderr, "  %-10s %s\n", named.name, named.what);
    return 2;
  }
  return failed == 0 ? 0 : 1;
}

int Usage(const char* program) {
  std::fprintf(stderr,
               "usage: %s [--full] [--only NAME] [--seed N] [--count N] [--jobs N] [--json]\n",
               program);
  return 2;
}

}  // namespace
}  // namespace ragmesh::vector_store

int main(int argc, char** argv) {
  using namespace ragmesh::vector_store;  // NOLINT
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const std::string value = i + 1 < argc ? argv[i + 1] : "";
    bool known = true;
    if (flag == "--full") {
      flags.options.full = true;
    } else if (flag == "--json") {
      flags.json = true;
    } else {
      ++i;
      known = flag == "--only"    ? !(flags.only = value).empty()
              : flag == "--seed"  ? absl::SimpleAtoi(value, &flags.options.seed)
              : flag == "--count" ? absl::SimpleAtoi(value, &flags.options.count)
              : flag == "--jobs"  ? absl::SimpleAtoi(value, &flags.jobs) && flags.jobs > 0
                                  : false;
    }
    if (!known) return Usage(argv[0]);
  }
  return Run(flags);
}
