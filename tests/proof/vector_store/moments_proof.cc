// A store with an archive is written to, killed and started again, many times; then the store of
// each of many moments is made from the archive, and holds what was acknowledged at that moment.
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/clock.h"
#include "libs/vector_store/archive_files.h"
#include "tests/proof/vector_store/proof.h"
#include "tests/proof/vector_store/workload.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kGate = 6, kFull = 100;  // moments
constexpr std::uint64_t kRoundsGate = 4, kRoundsFull = 40;
constexpr std::uint64_t kStepsARound = 150;
constexpr absl::Duration kStep = absl::Seconds(1);

// A second a step, so that each has a moment of its own.
class StepClock final : public Clock {
 public:
  absl::Time Now() const override { return At(step_); }
  void Set(std::uint64_t step) { step_ = step; }
  // Right after the step.
  static absl::Time After(std::uint64_t step) { return At(step) + kStep / 2; }

 private:
  static absl::Time At(std::uint64_t step) {
    return absl::FromUnixSeconds(1'700'000'000) + kStep * static_cast<std::int64_t>(step);
  }
  std::atomic<std::uint64_t> step_{0};
};

StoreOptions Archived(const std::string& folder, const Clock* clock) {
  StoreOptions options = BusyStore(folder + "/store");
  options.clock = clock;
  options.archive.folder = folder + "/archive";
  options.archive.base_every = kStep * 200;
  options.archive.keep = absl::Hours(1000);
  return options;
}

// Steps from `first` on, each noted once it was acknowledged, until the round or the process ends.
std::string Write(const std::string& folder, const Load& load, std::uint64_t first, bool killed,
                  std::uint64_t random_seed) {
  StepClock clock;
  clock.Set(first);
  StoreOptions options = Archived(folder, &clock);
  if (killed) options.archive.interval = absl::Milliseconds(1);
  const auto store = Store::Open(options);
  if (!store.ok()) return store.status().ToString();
  std::mt19937_64 random(random_seed);
  const int notes = open((folder + "/acknowledged").c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  if (killed) {
    const auto after = absl::Microseconds(static_cast<std::int64_t>(random() % 150'000));
    std::thread([after] {
      absl::SleepFor(after);
      kill(getpid(), SIGKILL);
    }).detach();
  }
  for (std::uint64_t step = first; killed || step < first + kStepsARound; ++step) {
    clock.Set(step);
    if (const absl::Status status = load.Do(step, false, store->get()); !status.ok())
      return status.ToString();
    const std::string note = absl::StrCat(step, "\n");
    if (write(notes, note.data(), note.size()) != static_cast<ssize_t>(note.size()))
      return "cannot note";
    if (!killed && random() % 10 == 0) {
      if (const absl::Status status = (*store)->ShipArchive(); !status.ok())
        return status.ToString();
    }
  }
  clock.Set(first + kStepsARound);
  return "";
}

// The step under way when the process was killed is there or not: what the store says.
std::string Settle(const std::string& folder, const std::string& without, const std::string& with,
                   const stages::CollectionId& id, std::uint64_t step) {
  StepClock clock;
  clock.Set(step);
  const auto store = Store::Open(Archived(folder, &clock));
  if (!store.ok()) return store.status().ToString();
  const auto contents = Contents(store->get(), id);
  if (!contents.ok()) return contents.status().ToString();
  return *contents == without ? "without" : *contents == with ? "with" : "something else";
}

std::string CheckMoment(const std::string& folder, const std::string& to, absl::Time moment,
                        const stages::CollectionId& id, const std::string& expected) {
  const auto restored =
      RestoreMoment(folder + "/archive", {.time = moment}, to, CallContext(absl::InfiniteFuture()));
  if (!restored.ok()) return restored.status().ToString();
  const auto store = Store::Open(BusyStore(to));
  if (!store.ok()) return store.status().ToString();
  const auto contents = Contents(store->get(), id);
  if (!contents.ok()) return contents.status().ToString();
  return *contents == expected ? "" : absl::StrCat("held\n", *contents, "instead of\n", expected);
}

}  // namespace

void ProveMoments(Proof* proof) {
  const ScratchFolder folder;
  const Load load(proof->seed(), 0);
  std::mt19937_64 random(proof->seed());
  std::vector<std::pair<std::uint64_t, std::string>> moments;  // step, contents after it
  Expected expected;
  std::uint64_t next = 0;
  const std::uint64_t rounds = proof->full() ? kRoundsFull : kRoundsGate;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const bool killed = round % 2 == 1;
    const std::string ended =
        InChild([&] { return Write(folder.path(), load, next, killed, random()); });
    if (ended != (killed ? "crashed: signal 9" : "")) return proof->Fail(ended);
    proof->Count(killed ? "kills" : "restarts");
    std::ifstream notes(folder.path() + "/acknowledged");
    std::uint64_t last = 0;
    bool any = false;
    for (std::uint64_t step; notes >> step; last = step, any = true) {
      if (step < next) continue;
      load.Apply(step, &expected);
      moments.emplace_back(step, Contents(expected));
    }
    if (any) next = std::max(next, last + 1);
    if (!killed) continue;
    Expected with = expected;
    load.Apply(next, &with);
    const std::string without_contents = Contents(expected), with_contents = Contents(with);
    const std::string settled = InChild([&] {
      return Settle(folder.path(), without_contents, with_contents, load.collection(), next);
    });
    if (settled != "with" && settled != "without") return proof->Fail(settled);
    // Nobody was told of it, so its own moment is not asked for.
    if (settled == "with" && with_contents != without_contents) {
      expected = with;
      proof->Count("unanswered steps kept");
    }
    ++next;
  }
  proof->Count("acknowledged steps", moments.size());
  for (std::uint64_t i = proof->CountOr(kGate, kFull); i > 0; --i) {
    const auto& [step, contents] = moments[random() % moments.size()];
    // The last one of all may be later than what the archive knows.
    if (step + 1 >= next) continue;
    const std::string to = folder.path() + "/restored";
    const std::string problem = InChild([&] {
      return CheckMoment(folder.path(), to, StepClock::After(step), load.collection(), contents);
    });
    std::error_code error;
    std::filesystem::remove_all(to, error);
    proof->Done();
    if (!problem.empty()) proof->Fail(absl::StrCat("after step ", step, ": ", problem));
  }
}

}  // namespace ragmesh::vector_store
