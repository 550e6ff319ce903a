// One random bit of one file of a closed store is flipped. The store then refuses to open, or
// answers with an error where the damage is, or answers everything as before: never something else.
#include <filesystem>
#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "tests/proof/vector_store/proof.h"
#include "tests/proof/vector_store/workload.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kGate = 150, kFull = 5000;
constexpr std::uint64_t kSteps = 350;

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
  return "";
}

bool IsLock(const std::string& name) { return name == "LOCK" || name == "ragmesh.lock"; }

// Files that RocksDB never changes are shared with the original.
void Copy(const std::string& from, const std::string& to, const std::string& changed) {
  fs::create_directory(to);
  for (const auto& entry : fs::directory_iterator(from)) {
    const std::string name = entry.path().filename();
    if (IsLock(name)) continue;
    if (KindOf(name) == "sst" && name != changed) {
      fs::create_hard_link(entry.path(), to + "/" + name);
    } else {
      fs::copy_file(entry.path(), to + "/" + name);
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

// "ok: OUTCOME", or what is wrong.
std::string LookAt(const std::string& path, const Load& load, const Expected& expected) {
  const auto store = Store::Open(BusyStore(path));
  if (!store.ok())
    return IsTyped(store.status()) ? "ok: refused at open" : store.status().ToString();
  const auto contents = Contents(store->get(), load.collection());
  if (!contents.ok())
    return IsTyped(contents.status()) ? "ok: detected by a read" : contents.status().ToString();
  if (*contents != Contents(expected))
    return absl::StrCat("a wrong answer:\n", *contents, "instead of\n", Contents(expected));
  if (const std::string wrong = DifferencesOfAnswers(store->get(), load.collection(), expected);
      !wrong.empty())
    return wrong;
  return "ok: harmless";
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
  for (const auto& entry : fs::directory_iterator(whole)) {
    const std::string name = entry.path().filename();
    if (!IsLock(name) && entry.file_size() > 0) names[KindOf(name)].push_back(name);
  }
  const std::uint64_t flips = proof->CountOr(kGate, kFull);
  for (std::uint64_t i = 0; i < flips; ++i) {
    const auto& kind = *std::next(names.begin(), static_cast<std::ptrdiff_t>(i % names.size()));
    const std::string& name = kind.second[random() % kind.second.size()];
    const std::string damaged = folder.path() + "/damaged";
    Copy(whole, damaged, name);
    const std::uint64_t bit = Flip(damaged + "/" + name, &random);
    const std::string result = InChild([&] { return LookAt(damaged, load, expected); });
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
