// kill -9 under a mixed load. A child runs three writers, each on a collection of its own, a reader
// and snapshots, and tells its parent through a pipe what a writer is about to do and what was
// acknowledged. It is killed at a random moment, or kills itself inside a flush, a merge, the
// manifest, the log, a rename, a removal or a checkpoint. Another child then opens the store: every
// acknowledged step is there, the one under way wholly or not at all, and answers equal brute
// force.
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/vector_store/store_observer.h"
#include "tests/proof/vector_store/faulty_file_system.h"
#include "tests/proof/vector_store/proof.h"
#include "tests/proof/vector_store/workload.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kGate = 30, kFull = 2000;
constexpr std::size_t kWriters = 3;
constexpr std::uint64_t kStepsPerSnapshot = 40, kStepsPerKey = 4, kCyclesPerLockCheck = 25;
constexpr std::uint32_t kMaxMessages = 400;

struct Message {
  std::uint64_t step = 0;
  std::uint32_t writer = 0;
  std::uint32_t acknowledged = 0;  // 0: about to be done, 1: done
};

struct Moment {  // of a kill
  Fault fault = Fault::kNone;
  Place place = Place::kAny;
  std::uint64_t index = 0;
  std::uint32_t messages = 0;
  std::uint32_t microseconds = 0;
};

struct Writer {
  Load load;
  std::uint64_t done = 0;  // steps acknowledged
  Expected expected;       // after them
  bool under_way = false;  // the next one was begun
};

bool IsKeyed(std::uint64_t step) { return step % kStepsPerKey == 0; }

Moment RandomMoment(std::mt19937* random) {
  constexpr Place kPlaces[] = {Place::kFlush,  Place::kCompaction, Place::kManifest, Place::kLog,
                               Place::kRename, Place::kDelete,     Place::kLink};
  Moment moment;
  if ((*random)() % 2 == 0) {
    moment.messages = (*random)() % 200;
    moment.microseconds = (*random)() % 2000;
    return moment;
  }
  moment.fault = Fault::kKill;
  moment.place = kPlaces[(*random)() % std::size(kPlaces)];
  moment.index = (*random)() % (moment.place == Place::kLog ? 200 : 25);
  moment.messages = kMaxMessages;
  return moment;
}

[[noreturn]] void WriteForever(const std::string& path, const std::vector<Writer>& writers,
                               const Moment& moment, int pipe) {
  StoreOptions options = BusyStore(path + "/store");
  options.file_system =
      std::make_shared<FaultyFileSystem>(moment.fault, moment.place, moment.index);
  const auto store = Store::Open(options);
  if (!store.ok()) _exit(3);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < writers.size(); ++i) {
    threads.emplace_back([&, i] {
      for (std::uint64_t step = writers[i].done;; ++step) {
        Message message{step, i, 0};
        if (write(pipe, &message, sizeof(message)) != sizeof(message)) _exit(4);
        if (!writers[i].load.Do(step, IsKeyed(step), store->get()).ok()) _exit(5);
        message.acknowledged = 1;
        if (write(pipe, &message, sizeof(message)) != sizeof(message)) _exit(4);
        if (i != 0 || step % kStepsPerSnapshot != 0) continue;
        const std::string snapshot = path + "/snapshot";
        std::error_code error;
        std::filesystem::remove_all(snapshot, error);
        if (!(*store)->Snapshot(snapshot, CallContext(absl::InfiniteFuture())).ok()) _exit(6);
      }
    });
  }
  while (true) {  // the reader
    for (const Writer& writer : writers) {
      if (!Contents(store->get(), writer.load.collection()).ok()) continue;  // dropped meanwhile
    }
  }
}

// A kill loses no segment: what is made anew was recorded wrongly, and would hide it.
class NoSegmentLost final : public StoreObserver {
 public:
  void Committed(std::size_t, absl::Duration, const absl::Status&) override {}
  void Searched(stages::SearchMode, absl::Duration, const absl::Status&) override {}
  void SegmentsLost(const absl::Status& why) override { lost = why; }
  absl::Status lost;
};

// What the writers' collections hold: one digit each, 0 or 1 more steps than were acknowledged; or
// what is wrong.
std::string Verify(const std::string& path, const std::vector<Writer>& writers) {
  StoreOptions options = BusyStore(path);
  const auto observer = std::make_shared<NoSegmentLost>();
  options.observer = observer;
  const auto store = Store::Open(options);
  if (!store.ok()) return store.status().ToString();
  if (!observer->lost.ok()) return absl::StrCat("segments lost: ", observer->lost.ToString());
  std::string result;
  for (const Writer& writer : writers) {
    const auto id = writer.load.collection();
    const auto stored = Contents(store->get(), id);
    if (!stored.ok()) return stored.status().ToString();
    Expected expected = writer.expected;
    bool further = false;
    if (*stored != Contents(expected) && writer.under_way) {
      writer.load.Apply(writer.done, &expected);
      further = true;
    }
    if (*stored != Contents(expected))
      return absl::StrCat(id.name, " after step ", writer.done, " holds\n", *stored, "instead of\n",
                          Contents(expected));
    if (const std::string different = DifferencesOfAnswers(store->get(), id, expected);
        !different.empty())
      return absl::StrCat(id.name, ": ", different);
    result.push_back(further ? '1' : '0');
  }
  // What was done under a key is not done again.
  for (std::size_t i = 0; i < writers.size(); ++i) {
    const Writer& writer = writers[i];
    if (writer.done == 0 || !IsKeyed(writer.done - 1) || result[i] == '1') continue;
    const auto id = writer.load.collection();
    const auto before = (*store)->GetCollection(id, CallContext(absl::InfiniteFuture()));
    if (!before.ok()) continue;
    if (const absl::Status again = writer.load.Do(writer.done - 1, true, store->get()); !again.ok())
      return again.ToString();
    const auto after = (*store)->GetCollection(id, CallContext(absl::InfiniteFuture()));
    if (!after.ok() || after->stats.sequence != before->stats.sequence)
      return absl::StrCat("step ", writer.done - 1, " was done twice");
  }
  return result;
}

std::string LockReason(const std::string& path) {
  return InChild([&] {
    return GetErrorDetail(Store::Open(BusyStore(path)).status()).value_or(ErrorDetail()).reason;
  });
}

void Take(const Message& message, std::vector<Writer>* writers) {
  Writer& writer = (*writers)[message.writer];
  writer.under_way = message.acknowledged == 0;
  if (message.acknowledged == 0) return;
  writer.load.Apply(message.step, &writer.expected);
  writer.done = message.step + 1;
}

// Runs the load until it is dead. Empty, or what went wrong.
std::string RunAndKill(const std::string& path, const Moment& moment, bool check_lock,
                       std::vector<Writer>* writers) {
  int ends[2];
  if (pipe(ends) != 0) return "cannot make a pipe";
  const pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    close(ends[0]);
    WriteForever(path, *writers, moment, ends[1]);
  }
  close(ends[1]);
  std::string problem;
  Message message;
  bool killed = false;
  for (std::uint32_t seen = 0; read(ends[0], &message, sizeof(message)) == sizeof(message);
       ++seen) {
    Take(message, writers);
    if (killed || seen < moment.messages) continue;
    if (check_lock && LockReason(path + "/store") != "STORE_LOCKED")
      problem = "a store that is open was opened by another process";
    usleep(moment.microseconds);
    kill(child, SIGKILL);
    killed = true;  // what is still in the pipe was acknowledged before
  }
  close(ends[0]);
  int status = 0;
  if (waitpid(child, &status, 0) != child || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
    return absl::StrCat("the load ended by itself, status ", status);
  return problem;
}

}  // namespace

void ProveKill(Proof* proof) {
  std::mt19937 random(static_cast<unsigned>(proof->seed()));
  const ScratchFolder folder;
  std::vector<Writer> writers;
  for (std::uint64_t i = 0; i < kWriters; ++i) writers.push_back({Load(proof->seed(), i)});
  const std::uint64_t cycles = proof->CountOr(kGate, kFull);
  for (std::uint64_t cycle = 0; cycle < cycles; ++cycle) {
    const Moment moment = RandomMoment(&random);
    const bool check_lock = cycle % kCyclesPerLockCheck == 0 && moment.fault == Fault::kNone;
    std::string problem = RunAndKill(folder.path(), moment, check_lock, &writers);
    if (problem.empty()) {
      const std::string found = InChild([&] { return Verify(folder.path() + "/store", writers); });
      if (found.size() != kWriters || found.find_first_not_of("01") != std::string::npos) {
        problem = found;
      } else {
        for (std::size_t i = 0; i < kWriters; ++i) {
          proof->Count("steps under way", writers[i].under_way ? 1 : 0);
          proof->Count("of them kept", found[i] == '1' ? 1 : 0);
          if (found[i] == '1') Take({writers[i].done, static_cast<std::uint32_t>(i), 1}, &writers);
          writers[i].under_way = false;
        }
      }
    }
    proof->Done();
    proof->Count("killed from inside", moment.fault == Fault::kKill ? 1 : 0);
    if (!problem.empty()) {
      proof->Fail(problem);
      break;  // what follows would only repeat it
    }
  }
  std::uint64_t steps = 0;
  for (const Writer& writer : writers) steps += writer.done;
  proof->Count("acknowledged steps", steps);
}

}  // namespace ragmesh::vector_store
