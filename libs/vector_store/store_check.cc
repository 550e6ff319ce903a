#include "libs/vector_store/store_check.h"

#include <rocksdb/file_system.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/aliases.h"
#include "libs/vector_store/collection_check.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMendsPerCommit = 1000;
constexpr char kRestore[] = "Restore the store from a snapshot.";

// The first name that nothing has.
std::string RemovedFile(const std::string& folder) {
  for (int i = 1;; ++i) {
    std::string path = absl::StrCat(folder, "/removed-", i, ".jsonl");
    std::error_code error;
    if (!fs::exists(path, error)) return path;
  }
}

class StoreCheck {
 public:
  StoreCheck(Database* database, Mender* mender) : database_(*database), mender_(*mender) {}

  absl::Status Run(const CallContext& call) {
    if (const absl::Status files = database_.VerifyFiles(); !files.ok())
      mender_.Report("", Family::kMeta, "", std::string(files.message()), kRestore);
    RAGMESH_RETURN_IF_ERROR(CheckFormat());
    RAGMESH_RETURN_IF_ERROR(CheckCollections(call));
    RAGMESH_RETURN_IF_ERROR(CheckAliases());
    for (const auto family :
         {Family::kStates, Family::kDocuments, Family::kTexts, Family::kChunks, Family::kIndex,
          Family::kVectors, Family::kTokens, Family::kReplays, Family::kSegments, Family::kRemoved})
      RAGMESH_RETURN_IF_ERROR(CheckOrphans(family, call));
    RAGMESH_RETURN_IF_ERROR(CheckCounter());
    return mender_.Flush();
  }

 private:
  absl::Status CheckFormat() {
    RAGMESH_ASSIGN_OR_RETURN(const auto format, database_.Get(Family::kMeta, "format"));
    ++mender_.report().values;
    const absl::Status status = format.has_value() ? DecodeFormat(*format).status()
                                                   : Corrupt("format record", "is missing");
    if (status.ok()) return absl::OkStatus();
    return mender_.Put("", Family::kMeta, "format", EncodeFormat(kFormatVersion),
                       std::string(status.message()));
  }

  absl::Status CheckCollections(const CallContext& call) {
    // A collection on its way out is not there, and its records are not orphans.
    const auto dropped = database_.Walk(Family::kMeta, kDroppedPrefix);
    for (; dropped->Valid(); dropped->Next()) {
      RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t number, ParseCollectionKey(absl::StripPrefix(
                                                               dropped->key(), kDroppedPrefix)));
      numbers_.insert(number);
    }
    RAGMESH_RETURN_IF_ERROR(dropped->status());
    const auto at = database_.Walk(Family::kCollections, "");
    for (; at->Valid(); at->Next()) {
      RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t number, ParseCollectionKey(at->key()));
      numbers_.insert(number);
      living_.insert(number);
      ++mender_.report().values;
      const auto record = DecodeCollection(at->value());
      if (!record.ok()) {
        mender_.Report(absl::StrCat("number ", number), Family::kCollections, at->key(),
                       std::string(record.status().message()), kRestore);
        continue;
      }
      const std::string name = absl::StrCat(record->config.id.tenant, "/", record->config.id.name);
      if (!names_.insert(name).second) {
        mender_.Report(name, Family::kCollections, at->key(),
                       "another collection has the same name", kRestore);
      }
      RAGMESH_RETURN_IF_ERROR(CollectionCheck(number, *record, &mender_).Run(call));
    }
    return at->status();
  }

  absl::Status CheckAliases() {
    const auto at = database_.Walk(Family::kMeta, kAliasPrefix);
    for (; at->Valid(); at->Next()) {
      ++mender_.report().values;
      const auto name = ParseAliasKey(at->key());
      const auto record = DecodeAlias(at->value());
      std::string problem;
      if (!name.ok() || !record.ok()) {
        problem = std::string((name.ok() ? record.status() : name.status()).message());
      } else if (names_.contains(absl::StrCat(name->first, "/", name->second))) {
        problem = "a collection has the name of the alias";
      } else if (!living_.contains(record->collection)) {
        problem = absl::StrCat("the alias stands for collection ", record->collection,
                               ", which is not there");
      }
      if (problem.empty()) continue;
      RAGMESH_RETURN_IF_ERROR(
          mender_.Remove(name.ok() ? absl::StrCat(name->first, "/", name->second) : "",
                         Family::kMeta, at->key(), at->value(), problem));
    }
    return at->status();
  }

  // Records under the number of a collection that is not there.
  absl::Status CheckOrphans(Family family, const CallContext& call) {
    const auto at = database_.Walk(family, "");
    for (std::size_t i = 0; at->Valid(); at->Next(), ++i) {
      if (i % 1024 == 0) RAGMESH_RETURN_IF_ERROR(call.Check());
      const absl::string_view key = at->key();
      if (key.size() < 4) {
        RAGMESH_RETURN_IF_ERROR(
            mender_.Remove("", family, key, at->value(), "the key is shorter than 4 bytes"));
        continue;
      }
      RAGMESH_ASSIGN_OR_RETURN(const std::uint32_t number, ParseCollectionKey(key.substr(0, 4)));
      highest_ = std::max(highest_, number);
      if (numbers_.contains(number)) continue;
      RAGMESH_RETURN_IF_ERROR(mender_.Remove(absl::StrCat("number ", number), family, key,
                                             at->value(), "the record belongs to no collection"));
    }
    return at->status();
  }

  absl::Status CheckCounter() {
    if (!numbers_.empty()) highest_ = std::max(highest_, *numbers_.rbegin());
    RAGMESH_ASSIGN_OR_RETURN(const auto stored, database_.Get(Family::kMeta, "next_collection"));
    if (!stored.has_value() && highest_ == 0) return absl::OkStatus();  // a new store
    ++mender_.report().values;
    const auto next = stored.has_value() ? DecodeCounter(*stored)
                                         : Corrupt("counter of collections", "is missing");
    if (next.ok() && *next > highest_) return absl::OkStatus();
    return mender_.Put(
        "", Family::kMeta, "next_collection", EncodeCounter(highest_ + 1ull),
        next.ok() ? absl::StrCat("the next collection is ", *next, ", but ", highest_, " is in use")
                  : std::string(next.status().message()));
  }

  Database& database_;
  Mender& mender_;
  std::set<std::uint32_t> numbers_;  // also of those on their way out
  std::set<std::uint32_t> living_;
  std::set<std::string> names_;  // tenant/name
  std::uint32_t highest_ = 0;
};

}  // namespace

void Mender::Tell(Finding finding) {
  ++report_.findings;
  if (finding.repaired) ++report_.repaired;
  found_(finding);
}

void Mender::Report(const std::string& collection, Family family, absl::string_view key,
                    const std::string& problem, const std::string& action) {
  Tell({collection, std::string(FamilyName(family)), absl::BytesToHexString(key), problem, action});
}

absl::Status Mender::Put(const std::string& collection, Family family, absl::string_view key,
                         const std::string& value, const std::string& problem) {
  Tell({collection, std::string(FamilyName(family)), absl::BytesToHexString(key), problem,
        options_.repair ? "Made anew from the other records."
                        : "Run with --repair, which makes it anew from the other records.",
        true, options_.repair});
  if (!options_.repair) return absl::OkStatus();
  writes_.Put(family, key, value);
  return ++waiting_ % kMendsPerCommit == 0 ? Flush() : absl::OkStatus();
}

absl::Status Mender::Remove(const std::string& collection, Family family, absl::string_view key,
                            absl::string_view value, const std::string& problem) {
  Tell({collection, std::string(FamilyName(family)), absl::BytesToHexString(key), problem,
        options_.repair ? "Taken out; it is kept in the file of what was removed."
                        : "Run with --repair, which takes it out and keeps it in a file.",
        true, options_.repair});
  if (!options_.repair) return absl::OkStatus();
  absl::StrAppend(&removed_, "{\"family\": \"", FamilyName(family), "\", \"key\": \"",
                  absl::BytesToHexString(key), "\", \"value\": \"", absl::BytesToHexString(value),
                  "\"}\n");
  writes_.Delete(family, key);
  return ++waiting_ % kMendsPerCommit == 0 ? Flush() : absl::OkStatus();
}

absl::Status Mender::Forget(Family family, absl::string_view prefix) {
  if (!options_.repair) return absl::OkStatus();
  const auto at = database_.Walk(family, prefix);
  for (; at->Valid(); at->Next()) {
    writes_.Delete(family, at->key());
    if (++waiting_ % kMendsPerCommit == 0) RAGMESH_RETURN_IF_ERROR(Flush());
  }
  return at->status();
}

absl::Status Mender::Flush() {
  if (!removed_.empty()) {
    if (report_.removed_file.empty()) report_.removed_file = RemovedFile(options_.path);
    std::ofstream file(report_.removed_file, std::ios::app | std::ios::binary);
    file << removed_ << std::flush;
    if (!file.good())
      return Unavailable("STORAGE_FAILED", absl::StrCat("cannot write ", report_.removed_file),
                         "Free space on the store's disk; nothing was removed.");
    removed_.clear();
  }
  if (writes_.empty()) return absl::OkStatus();
  const WriteSet writes = std::move(writes_);
  writes_ = WriteSet();
  return database_.Commit(writes);
}

absl::StatusOr<StoreCheckReport> CheckStore(const StoreCheckOptions& options,
                                            absl::FunctionRef<void(const Finding&)> found,
                                            const CallContext& call) {
  std::error_code error;
  if (!fs::exists(options.path, error) || fs::is_empty(options.path, error)) {
    return NotFound("store", options.path,
                    "Name the folder of a store: --data_dir of ragmesh-vector-store.");
  }
  RAGMESH_ASSIGN_OR_RETURN(
      const auto database,
      Database::Open(options.path, {.file_system = options.file_system, .for_check = true}));
  StoreCheckReport report;
  Mender mender(database.get(), options, found, &report);
  RAGMESH_RETURN_IF_ERROR(StoreCheck(database.get(), &mender).Run(call));
  return report;
}

}  // namespace ragmesh::vector_store
