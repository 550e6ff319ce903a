// One random bit of one file of a closed store is flipped. The store then refuses to open, or
// answers with an error where the damage is, or answers everything as before: never something else.
// Then writes go on.
#include <filesystem>
#include <fstream>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/vector_store/store_check.h"
#include "tests/proof/vector_store/proof.h"
#include "tests/proof/vector_store/workload.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kGate = 150, kFull = 5000;
constexpr std::uint64_t kSteps = 350;
constexpr std::uint64_t kFurtherSteps = 60;

// `name` is that of a file within the store's folder.
std::string KindOf(const std::string& name) {
  const std::size_t dot = name.rfind('.');
  if (dot != std::string::npos) return name.substr(dot + 1);
  return name.substr(0, name.find('-'));
}

std::string MakeStore(const std::string& path, const Load& load) {
  StoreOptions options = BusyStore(path);
  options.write_buffer_bytes = 128 << 10;
  const auto store = Store::Open(options);
  if (!store.ok()) return store.status().ToString();
  for (std::uint64_t step = 0; step < kSteps; ++step) {
    if (const absl::Status done = load.Do(step, step % 4 == 0, store->get()); !done.ok())
      return done.ToString();
  }
  return (*store)->AwaitSealed(absl::Now() + absl::Seconds(30)) ? "" : "segments are still due";
}

// But for locks, which are empty.
std::vector<std::string> FilesOf(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file() && entry.file_size() > 0)
      names.push_back(fs::relative(entry.path(), folder).string());
  }
  return names;
}

// Files that are never changed are shared with the original.
void Copy(const std::string& from, const std::string& to, const std::string& changed) {
  fs::create_directories(to + "/segments");
  for (const std::string& name : FilesOf(from)) {
    const bool never_changes = KindOf(name) == "sst" || absl::StartsWith(name, "segments/");
    if (never_changes && name != changed) {
      fs::create_hard_link(from + "/" + name, to + "/" + name);
    } else {
      fs::copy_file(from + "/" + name, to + "/" + name);
    }
  }
}

std::uint64_t Flip(const std::string& path, std::mt19937* random) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::uint64_t bit = (*random)() % (fs::file_size(path) * 8);
  file.seekg(static_cast<std::streamoff>(bit / 8));
  const int byte = file.get();
  file.seekp(static_cast<std::streamoff>(bit / 8));
  file.put(static_cast<char>(byte ^ (1 << (bit % 8))));
  return bit;
}

// Empty, or how what a store answers differs from what it must.
std::string Differences(const std::string& path, const Load& load, const Expected& expected) {
  const auto store = Store::Open(BusyStore(path));
  if (!store.ok()) return store.status().ToString();
  const auto contents = Contents(store->get(), load.collection());
  if (!contents.ok()) return contents.status().ToString();
  if (*contents != Contents(expected)) return *contents;
  return DifferencesOfAnswers(store->get(), load.collection(), expected);
}

// What only segments hold is mended from the other records.
std::string Mend(const std::string& path, const Load& load, const Expected& expected) {
  const auto report = CheckStore(
      {.path = path, .repair = true}, [](const Finding&) {}, CallContext(absl::InfiniteFuture()));
  if (!report.ok()) return report.status().ToString();
  if (report->findings == 0) return "a check does not find what a read found";
  return Differences(path, load, expected);
}

// Writes that flush and merge files, and a close: what is damaged is met by those who work in the
// background as well, and ends none of them. Empty, or what is wrong.
std::string GoOn(const Load& load, std::unique_ptr<Store> store) {
  for (std::uint64_t step = kSteps; step < kSteps + kFurtherSteps; ++step) {
    const absl::Status done = load.Do(step, /*keyed=*/false, store.get());
    if (!done.ok() && !IsTyped(done)) return absl::StrCat("a later write: ", done.ToString());
  }
  return "";
}

// "ok: OUTCOME", or what is wrong.
std::string LookAt(const std::string& path, const Load& load, const Expected& expected,
                   bool in_segment) {
  auto store = Store::Open(BusyStore(path));
  if (!store.ok())
    return IsTyped(store.status()) ? "ok: refused at open" : store.status().ToString();
  std::string outcome = "harmless";
  if (const auto contents = Contents(store->get(), load.collection()); !contents.ok()) {
    if (!IsTyped(contents.status())) return contents.status().ToString();
    outcome = "detected by a read";
  } else if (*contents != Contents(expected)) {
    return absl::StrCat("a wrong answer:\n", *contents, "instead of\n", Contents(expected));
  } else if (const std::string wrong =
                 DifferencesOfAnswers(store->get(), load.collection(), expected);
             !wrong.empty()) {
    if (!absl::StrContains(wrong, "CORRUPT_DATA")) return wrong;
    outcome = "detected by a search";
  }
  std::string left;
  if (in_segment && outcome != "harmless") {
    store->reset();
    left = Mend(path, load, expected);
    outcome += ", mended by a check";
  } else {
    left = GoOn(load, *std::move(store));
  }
  return left.empty() ? absl::StrCat("ok: ", outcome) : left;
}

}  // namespace

void ProveFlips(Proof* proof) {
  std::mt19937 random(static_cast<unsigned>(proof->seed()));
  const ScratchFolder folder;
  const std::string whole = folder.path() + "/whole";
  const Load load(proof->seed(), 0);
  if (const std::string made = InChild([&] { return MakeStore(whole, load); }); !made.empty()) {
    proof->Fail(made);
    return;
  }
  Expected expected;
  for (std::uint64_t step = 0; step < kSteps; ++step) load.Apply(step, &expected);
  // Each kind of file as often as any other, so that the small ones come in for their share.
  std::map<std::string, std::vector<std::string>> names;
  for (const std::string& name : FilesOf(whole)) names[KindOf(name)].push_back(name);
  const std::uint64_t flips = proof->CountOr(kGate, kFull);
  for (std::uint64_t i = 0; i < flips; ++i) {
    const auto& kind = *std::next(names.begin(), static_cast<std::ptrdiff_t>(i % names.size()));
    const std::string& name = kind.second[random() % kind.second.size()];
    const std::string damaged = folder.path() + "/damaged";
    Copy(whole, damaged, name);
    const std::uint64_t bit = Flip(damaged + "/" + name, &random);
    const bool in_segment = absl::StartsWith(name, "segments/");
    const std::string result = InChild([&] { return LookAt(damaged, load, expected, in_segment); });
    proof->Done();
    if (absl::StartsWith(result, "ok: ")) {
      proof->Count(absl::StrCat(kind.first, " ", result.substr(4)));
    } else {
      proof->Fail(absl::StrCat(name, " bit ", bit, ": ", result));
    }
    fs::remove_all(damaged);
  }
}

}  // namespace ragmesh::vector_store
