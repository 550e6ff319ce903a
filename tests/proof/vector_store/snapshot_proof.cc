// Snapshots taken while three writers write. Each, opened as a store of its own, holds of every
// collection a state that was the newest at some moment between the call and its answer.
#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "tests/proof/vector_store/proof.h"
#include "tests/proof/vector_store/workload.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kGate = 6, kFull = 200;
constexpr std::size_t kWriters = 3;

// One writer, and what its collection held after each of its steps.
struct Writer {
  explicit Writer(Load l) : load(l) {}
  Load load;
  std::atomic<std::uint64_t> done{0};
  absl::Mutex mutex;
  std::vector<std::string> states ABSL_GUARDED_BY(mutex) = {Contents(Expected())};

  void WriteUntil(const std::atomic<bool>& stop, Store* store, std::string* problem) {
    Expected expected;
    for (std::uint64_t step = 0; !stop; ++step) {
      load.Apply(step, &expected);
      {
        absl::MutexLock lock(&mutex);  // before the step, so that a snapshot never sees more
        states.push_back(Contents(expected));
      }
      if (const absl::Status status = load.Do(step, false, store); !status.ok()) {
        *problem = status.ToString();
        return;
      }
      done = step + 1;
    }
  }
  std::uint64_t begun() {
    absl::MutexLock lock(&mutex);
    return states.size() - 1;
  }
};

using Writers = std::array<std::unique_ptr<Writer>, kWriters>;

std::string TakeOne(Store* store, const std::string& path, const Writers& writers) {
  std::array<std::uint64_t, kWriters> before{}, after{};
  for (std::size_t i = 0; i < kWriters; ++i) before[i] = writers[i]->done;
  const absl::Status taken = store->Snapshot(path, CallContext(absl::InfiniteFuture()));
  if (!taken.ok()) return taken.ToString();
  for (std::size_t i = 0; i < kWriters; ++i) after[i] = writers[i]->begun();
  const auto restored = Store::Open(BusyStore(path));
  if (!restored.ok()) return restored.status().ToString();
  for (std::size_t i = 0; i < kWriters; ++i) {
    const auto contents = Contents(restored->get(), writers[i]->load.collection());
    if (!contents.ok()) return contents.status().ToString();
    absl::MutexLock lock(&writers[i]->mutex);
    const auto& states = writers[i]->states;
    const auto first = states.begin() + static_cast<std::ptrdiff_t>(before[i]);
    const auto last = states.begin() + static_cast<std::ptrdiff_t>(after[i]) + 1;
    if (std::find(first, last, *contents) == last)
      return absl::StrCat("writer ", i, ": between step ", before[i], " and ", after[i],
                          " its collection never held\n", *contents);
  }
  return "";
}

}  // namespace

void ProveSnapshot(Proof* proof) {
  const ScratchFolder folder;
  const auto store = Store::Open(BusyStore(folder.path() + "/store"));
  if (!store.ok()) return proof->Fail(store.status().ToString());
  std::atomic<bool> stop{false};
  Writers writers;
  std::array<std::string, kWriters> problems;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kWriters; ++i) {
    writers[i] = std::make_unique<Writer>(Load(proof->seed(), i));
    threads.emplace_back([&, i] { writers[i]->WriteUntil(stop, store->get(), &problems[i]); });
  }
  for (std::uint64_t i = proof->CountOr(kGate, kFull); i > 0; --i) {
    absl::SleepFor(absl::Milliseconds(10));
    const std::string path = absl::StrCat(folder.path(), "/snapshot");
    const std::string problem = TakeOne(store->get(), path, writers);
    proof->Done();
    if (!problem.empty()) proof->Fail(problem);
    std::filesystem::remove_all(path);
  }
  stop = true;
  for (auto& thread : threads) thread.join();
  for (std::size_t i = 0; i < kWriters; ++i) {
    if (!problems[i].empty()) proof->Fail(problems[i]);
    proof->Count("writes meanwhile", writers[i]->done);
  }
}

}  // namespace ragmesh::vector_store
