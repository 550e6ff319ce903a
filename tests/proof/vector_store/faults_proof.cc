// The disk fails at operation i of a run: with EIO, with ENOSPC, by writing half, or by saying that
// it synced when it did not and then losing power. Every error is typed, what the process answers
// is what it acknowledged, and what a later open finds is every acknowledged step, the failed ones
// wholly or not at all. After a sync that lied it is a moment of the past, or refused as damaged.
#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "tests/proof/vector_store/faulty_file_system.h"
#include "tests/proof/vector_store/proof.h"
#include "tests/proof/vector_store/workload.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kGate = 120;
constexpr std::uint64_t kOperations = 2000;  // of a whole run
constexpr std::uint64_t kStepsAfter = 20;    // done after the fault struck
// What flushes and merges do beside the steps differs between runs, so an operation may come much
// later than in the measured one: a run goes on until it has come, for so many times its steps.
constexpr std::uint64_t kPatience = 8;
constexpr std::size_t kMaxDoubtful = 4;
constexpr int kAtOnce = 16;

struct Kind {
  const char* name;
  Fault fault;
  Place place;
};
constexpr Kind kKinds[] = {{"EIO", Fault::kError, Place::kAny},
                           {"ENOSPC", Fault::kNoSpace, Place::kAny},
                           {"short write", Fault::kShortWrite, Place::kAppend},
                           {"lying sync", Fault::kLyingSync, Place::kSync}};

struct Length {  // of a run
  std::uint64_t steps = 0;
  std::uint64_t places[16] = {};
};

struct Taken {
  std::uint64_t step;
  bool acknowledged;  // otherwise it failed, and may be there or not
};

// Every state that the steps allow: all acknowledged ones, and any of the failed ones.
std::set<std::string> Allowed(const Load& load, const std::vector<Taken>& steps) {
  std::vector<Expected> states(1);
  for (const Taken& taken : steps) {
    const std::size_t count = states.size();
    for (std::size_t i = 0; i < count; ++i) {
      if (!taken.acknowledged) states.push_back(states[i]);
      load.Apply(taken.step, &states[i]);
    }
  }
  std::set<std::string> contents;
  for (const Expected& state : states) contents.insert(Contents(state));
  return contents;
}

std::set<std::string> Past(const Load& load, const std::vector<Taken>& steps) {
  Expected state;
  std::set<std::string> contents = {Contents(state)};
  for (const Taken& taken : steps) {
    load.Apply(taken.step, &state);
    contents.insert(Contents(state));
  }
  return contents;
}

// Takes a step that was acknowledged. One that changed nothing, which a store that is read-only
// acknowledges too, says nothing of the failed ones before it; one that changed something says that
// they are not there and never will be.
void Acknowledge(const Load& load, std::uint64_t step, bool struck, Expected* expected,
                 std::vector<Taken>* steps) {
  const std::string before = struck ? Contents(*expected) : "";
  load.Apply(step, expected);
  if (struck && Contents(*expected) == before) return;
  std::erase_if(*steps, [](const Taken& taken) { return !taken.acknowledged; });
  steps->push_back({step, true});
}

Length Measure(std::uint64_t seed) {
  Length length;
  const ScratchFolder folder;
  const std::string numbers = InChild([&]() -> std::string {
    StoreOptions options = BusyStore(folder.path() + "/store");
    const auto files = std::make_shared<FaultyFileSystem>(Fault::kNone, Place::kAny, 0);
    options.file_system = files;
    const auto store = Store::Open(options);
    if (!store.ok()) return store.status().ToString();
    const Load load(seed, 0);
    std::uint64_t step = 0;
    while (files->operations(Place::kAny) < kOperations) {
      if (const absl::Status done = load.Do(step, step % 4 == 0, store->get()); !done.ok())
        return done.ToString();
      ++step;
    }
    return absl::StrCat(step, " ", files->operations(Place::kAppend), " ",
                        files->operations(Place::kSync));
  });
  unsigned long long steps = 0, appends = 0, syncs = 0;
  if (std::sscanf(numbers.c_str(), "%llu %llu %llu", &steps, &appends, &syncs) != 3) {
    std::fprintf(stderr, "faults: the run without a fault failed: %s\n", numbers.c_str());
    return length;
  }
  length.steps = steps;
  length.places[static_cast<int>(Place::kAny)] = kOperations;
  length.places[static_cast<int>(Place::kAppend)] = appends;
  length.places[static_cast<int>(Place::kSync)] = syncs;
  return length;
}

// "ok: OUTCOME", or what is wrong.
std::string RunCase(const Kind& kind, std::uint64_t index, std::uint64_t steps_measured,
                    const std::string& path, std::uint64_t seed) {
  std::mt19937 random(static_cast<unsigned>(seed + index));
  const auto files = std::make_shared<FaultyFileSystem>(kind.fault, kind.place, index);
  const bool lies = kind.fault == Fault::kLyingSync;
  const bool power_cut = lies || index % 2 == 0;
  const Load load(seed, 0);
  std::vector<Taken> steps;
  Expected expected;
  std::string outcome = "went on";
  {
    StoreOptions options = BusyStore(path);
    options.file_system = files;
    auto opened = Store::Open(options);
    if (!opened.ok()) {
      if (!IsTyped(opened.status())) return "open: " + opened.status().ToString();
      outcome = "not opened";
    } else {
      Store& store = **opened;
      std::uint64_t after = 0;
      std::size_t doubtful = 0;
      for (std::uint64_t step = 0; step < kPatience * steps_measured && after < kStepsAfter;
           ++step) {
        after += files->struck() ? 1 : 0;
        const absl::Status done = load.Do(step, step % 4 == 0, &store);
        if (done.ok()) {
          Acknowledge(load, step, files->struck(), &expected, &steps);
          continue;
        }
        if (!IsTyped(done) || !files->struck()) return absl::StrCat("step: ", done.ToString());
        const std::string reason = GetErrorDetail(done)->reason;
        if (reason == "STORE_READ_ONLY") {
          outcome = "read-only";
        } else if (doubtful++ < kMaxDoubtful) {
          steps.push_back({step, false});
        }
      }
      if (!files->struck()) outcome = "never struck";
      const auto contents = Contents(&store, load.collection());
      if (!contents.ok() && !IsTyped(contents.status())) return contents.status().ToString();
      if (contents.ok() && *contents != Contents(expected))
        return absl::StrCat("the process holds\n", *contents, "instead of\n", Contents(expected));
      if (contents.ok()) {
        const std::string wrong = DifferencesOfAnswers(&store, load.collection(), expected);
        if (!wrong.empty() && !absl::StartsWith(wrong, "search: ")) return wrong;
      }
      if (power_cut) files->Freeze();
    }
  }
  if (power_cut) files->CutPower(&random);
  const auto reopened = Store::Open(BusyStore(path));
  if (!reopened.ok()) {
    if (lies && IsTyped(reopened.status())) return "ok: lie refused as damage";
    return "reopened: " + reopened.status().ToString();
  }
  const auto contents = Contents(reopened->get(), load.collection());
  if (!contents.ok()) {
    if (lies && IsTyped(contents.status())) return "ok: lie refused as damage";
    return "reopened: " + contents.status().ToString();
  }
  if (lies) {
    if (!Past(load, steps).contains(*contents))
      return absl::StrCat("after a lie the store holds\n", *contents);
    return "ok: lie left a moment of the past";
  }
  if (!Allowed(load, steps).contains(*contents))
    return absl::StrCat("reopened it holds\n", *contents, "instead of\n", Contents(expected));
  if (const absl::Status goes_on = load.Do(0, false, reopened->get()); !goes_on.ok())
    return "reopened, a write fails: " + goes_on.ToString();
  return "ok: " + outcome;
}

}  // namespace

void ProveFaults(Proof* proof) {
  std::mt19937 random(static_cast<unsigned>(proof->seed()));
  const Length length = Measure(proof->seed());
  std::vector<std::pair<const Kind*, std::uint64_t>> cases;
  for (const Kind& kind : kKinds) {
    for (std::uint64_t i = 0; i < length.places[static_cast<int>(kind.place)]; ++i)
      cases.emplace_back(&kind, i);
  }
  // A gate takes a sample of them, a full run each one.
  const std::uint64_t wanted = proof->CountOr(kGate, cases.size());
  if (wanted < cases.size()) {
    std::shuffle(cases.begin(), cases.end(), random);
    cases.resize(wanted);
  }
  // RocksDB waits for a second after a failed flush, so that many cases share a processor.
  const ScratchFolder folder;
  InChildren(
      cases.size(), kAtOnce,
      [&](std::uint64_t i) {
        const std::string path = absl::StrCat(folder.path(), "/", i);
        std::string result =
            RunCase(*cases[i].first, cases[i].second, length.steps, path, proof->seed());
        std::error_code error;
        std::filesystem::remove_all(path, error);
        return result;
      },
      [&](std::uint64_t i, const std::string& result) {
        proof->Done();
        if (absl::StartsWith(result, "ok: ")) {
          proof->Count(result.substr(4));
        } else {
          proof->Fail(absl::StrCat(cases[i].first->name, " at ", cases[i].second, ": ", result));
        }
      });
}

}  // namespace ragmesh::vector_store
