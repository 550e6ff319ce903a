// Collections that leave a store as archives, while they are written to, and come to another. The
// copy equals a state that was the newest at some moment between the call and its answer. An
// archive with a part changed, cut or doubled is refused and leaves nothing, and so does an import
// that is killed.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/backup/collection_archive.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/vector_store/store_check.h"
#include "tests/proof/vector_store/proof.h"
#include "tests/proof/vector_store/workload.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kGate = 6, kFull = 300;  // exports under writes
constexpr std::uint64_t kForgeriesGate = 60, kForgeriesFull = 2000;
constexpr std::uint64_t kKillsGate = 8, kKillsFull = 200;
constexpr std::uint64_t kStepsBeforeKill = 400;  // in the collection whose import is killed
const stages::CollectionId kCopy{"default", "copy"};

std::string ReasonOf(const absl::Status& status) {
  return GetErrorDetail(status).value_or(ErrorDetail()).reason;
}

struct Archive {
  std::string bytes, manifest_sha256;
};

absl::StatusOr<Archive> Export(Store* store, const stages::CollectionId& id) {
  Archive archive;
  const absl::Status status = store->ExportCollection(
      id,
      [&](const stages::ArchivePiece& piece) {
        absl::StrAppend(&archive.bytes, piece.bytes);
        return absl::OkStatus();
      },
      CallContext(absl::InfiniteFuture()));
  if (!status.ok()) return status;
  // The last frame so far is the manifest's: M, its length, and what is signed.
  const std::size_t manifest = archive.bytes.rfind("{\"chunks\"");
  archive.manifest_sha256 = Sha256Hex(absl::string_view(archive.bytes).substr(manifest));
  archive.bytes += backup::SignatureFrame("", nullptr);
  return archive;
}

absl::Status Import(Store* store, const Archive& archive, const std::string& bytes) {
  std::size_t at = 0;
  return store
      ->ImportCollection(
          kCopy, archive.manifest_sha256,
          [&]() -> absl::StatusOr<std::string> {
            std::string next = bytes.substr(std::min(at, bytes.size()), 64 << 10);
            at += next.size();
            return next;
          },
          CallContext(absl::InfiniteFuture()))
      .status();
}

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
        absl::MutexLock lock(&mutex);  // before the step, so that an export never sees more
        states.push_back(Contents(expected));
      }
      if (const absl::Status status = load.Do(step, false, store); !status.ok()) {
        *problem = status.ToString();
        return;
      }
      done = step + 1;
    }
  }
};

std::string MoveOne(Store* from, Store* to, Writer* writer, Proof* proof) {
  const std::uint64_t before = writer->done;
  const auto archive = Export(from, writer->load.collection());
  std::string contents;
  if (archive.ok()) {
    if (const absl::Status status = Import(to, *archive, archive->bytes); !status.ok())
      return status.ToString();
    const auto found = Contents(to, kCopy);
    if (!found.ok()) return found.status().ToString();
    contents = *found;
    const absl::Status gone = to->DeleteCollection(kCopy, CallContext(absl::InfiniteFuture()));
    if (!gone.ok()) return gone.ToString();
    proof->Count("exported");
  } else if (ReasonOf(archive.status()) == "COLLECTION_NOT_FOUND") {
    contents = Contents(Expected());  // it was dropped just then
  } else {
    return archive.status().ToString();
  }
  absl::MutexLock lock(&writer->mutex);
  const auto first = writer->states.begin() + static_cast<std::ptrdiff_t>(before);
  if (std::find(first, writer->states.end(), contents) == writer->states.end())
    return absl::StrCat("from step ", before, " on the collection never held\n", contents);
  return "";
}

// A part of an archive changed at random.
std::string Forge(const std::string& bytes, std::mt19937_64* random) {
  std::string forged = bytes;
  const std::size_t at = (*random)() % bytes.size();
  switch ((*random)() % 6) {
    case 0:
    case 1:
      forged[at] = static_cast<char>(forged[at] ^ 1 << (*random)() % 8);
      break;
    case 2:
      forged.resize(at);
      break;
    case 3:  // a part twice
      forged.insert(at, bytes.substr(at, 1 + (*random)() % 300));
      break;
    case 4:  // a part missing
      forged.erase(at, 1 + (*random)() % 300);
      break;
    default:  // four bytes of what may be a length
      for (std::size_t i = at; i < std::min(at + 4, forged.size()); ++i)
        forged[i] = static_cast<char>((*random)() % 4 == 0 ? 0xFF : (*random)());
      break;
  }
  return forged;
}

void Forgeries(Store* store, const Archive& archive, Proof* proof) {
  std::mt19937_64 random(proof->seed());
  const std::uint64_t count = proof->full() ? kForgeriesFull : kForgeriesGate;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string forged = Forge(archive.bytes, &random);
    if (forged == archive.bytes) continue;
    const absl::Status status = Import(store, archive, forged);
    proof->Count("forgeries");
    if (status.ok()) {
      proof->Fail(absl::StrCat("a forged archive was taken, case ", i));
      return;
    }
    if (!IsTyped(status)) proof->Fail(absl::StrCat("no typed error: ", status.ToString()));
    const auto left = store->GetCollection(kCopy, CallContext(absl::InfiniteFuture()));
    if (ReasonOf(left.status()) != "COLLECTION_NOT_FOUND")
      proof->Fail("a refused archive left a collection");
  }
}

// What the store in `path` holds of the copy, and whether all of it is sound.
std::string LookAt(const std::string& path, const std::string& whole) {
  {
    const auto store = Store::Open(BusyStore(path));
    if (!store.ok()) return store.status().ToString();
    const auto contents = Contents(store->get(), kCopy);
    if (!contents.ok()) return contents.status().ToString();
    if (*contents != "none" && *contents != whole) return "a part of a collection was imported";
  }
  std::string problem;
  const auto report = CheckStore(
      {.path = path}, [&](const Finding& finding) { problem = finding.problem; },
      CallContext(absl::InfiniteFuture()));
  if (!report.ok()) return report.status().ToString();
  return report->findings == 0 ? "" : absl::StrCat("left behind: ", problem);
}

// Each in processes of their own, for they end by kill -9.
void Kills(Proof* proof) {
  const ScratchFolder folder;
  const std::string source = folder.path() + "/source", file = folder.path() + "/archive";
  const std::string made = InChild([&]() -> std::string {
    const auto store = Store::Open(BusyStore(source));
    if (!store.ok()) return store.status().ToString();
    const Load load(proof->seed(), 9);
    Expected expected;
    for (std::uint64_t step = 0; step < kStepsBeforeKill || !expected.has_value(); ++step) {
      load.Apply(step, &expected);
      if (const absl::Status status = load.Do(step, false, store->get()); !status.ok())
        return status.ToString();
    }
    const auto archive = Export(store->get(), load.collection());
    if (!archive.ok()) return archive.status().ToString();
    std::ofstream(file, std::ios::binary) << archive->manifest_sha256 << archive->bytes;
    std::ofstream(file + ".contents", std::ios::binary) << Contents(expected);
    return "";
  });
  if (!made.empty()) return proof->Fail(made);
  const auto read = [](const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  const std::string both = read(file), whole = read(file + ".contents");
  const Archive archive{both.substr(64), both.substr(0, 64)};
  std::mt19937_64 random(proof->seed());
  const std::uint64_t count = proof->full() ? kKillsFull : kKillsGate;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::string path = absl::StrCat(folder.path(), "/target-", i % 4);
    const auto after = absl::Microseconds(static_cast<std::int64_t>(random() % 40'000));
    const std::string ended = InChild([&]() -> std::string {
      const auto store = Store::Open(BusyStore(path));
      if (!store.ok()) return store.status().ToString();
      store->get()->DeleteCollection(kCopy, CallContext(absl::InfiniteFuture())).IgnoreError();
      std::thread([after] {
        absl::SleepFor(after);
        kill(getpid(), SIGKILL);
      }).detach();
      while (true) {
        if (const absl::Status status = Import(store->get(), archive, archive.bytes); !status.ok())
          return status.ToString();
        store->get()->DeleteCollection(kCopy, CallContext(absl::InfiniteFuture())).IgnoreError();
      }
    });
    if (ended != "crashed: signal 9") return proof->Fail(ended);
    const std::string problem = InChild([&] { return LookAt(path, whole); });
    proof->Count("kills");
    if (!problem.empty()) proof->Fail(problem);
  }
}

}  // namespace

void ProveMove(Proof* proof) {
  Kills(proof);  // first: a process that has opened a store cannot fork
  const ScratchFolder folder;
  const auto from = Store::Open(BusyStore(folder.path() + "/from"));
  const auto to = Store::Open(BusyStore(folder.path() + "/to"));
  if (!from.ok() || !to.ok()) return proof->Fail("cannot open the stores");
  std::atomic<bool> stop{false};
  std::string problem;
  Writer writer(Load(proof->seed(), 0));
  std::thread thread([&] { writer.WriteUntil(stop, from->get(), &problem); });
  for (std::uint64_t i = proof->CountOr(kGate, kFull); i > 0; --i) {
    absl::SleepFor(absl::Milliseconds(10));
    const std::string wrong = MoveOne(from->get(), to->get(), &writer, proof);
    proof->Done();
    if (!wrong.empty()) proof->Fail(wrong);
  }
  stop = true;
  thread.join();
  if (!problem.empty()) proof->Fail(problem);
  // Of a collection that is there for sure.
  const Load load(proof->seed(), 7);
  Expected expected;
  for (std::uint64_t step = 0; step < 60 || !expected.has_value() || expected->empty(); ++step) {
    load.Apply(step, &expected);
    if (const absl::Status status = load.Do(step, false, from->get()); !status.ok())
      return proof->Fail(status.ToString());
  }
  const auto archive = Export(from->get(), load.collection());
  if (!archive.ok()) return proof->Fail(archive.status().ToString());
  Forgeries(to->get(), *archive, proof);
}

}  // namespace ragmesh::vector_store
