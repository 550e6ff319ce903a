#include <filesystem>
#include <limits>

#include "absl/strings/str_cat.h"
#include "libs/backup/snapshot_folder.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/archive_files.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/snapshot.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::size_t kEntriesPerCheck = 256;

std::string Text(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

absl::Status NotArchived(const std::string& wanted, const std::vector<ChainReach>& reach) {
  std::string there;
  for (const ChainReach& chain : reach) {
    absl::StrAppend(&there, there.empty() ? "" : "; ", Text(chain.from), " to ",
                    Text(chain.through), ", writes ", chain.first_sequence, " to ",
                    chain.last_sequence);
  }
  return MakeError(absl::StatusCode::kOutOfRange,
                   absl::StrCat("the archive does not hold ", wanted, "; it holds ",
                                there.empty() ? "nothing" : there),
                   {.reason = "MOMENT_NOT_ARCHIVED",
                    .field = "at",
                    .next_step = "Choose a moment within, or take the last with --at=latest."});
}

// The chain from which the moment can be made; null: none.
const ChainReach* Choose(const std::vector<ChainReach>& reach, const ArchiveMoment& moment) {
  for (auto chain = reach.rbegin(); chain != reach.rend(); ++chain) {
    if (moment.time.has_value()) {
      if (chain->from > *moment.time) continue;
      // Before the next chain began, and after the last that is known of this one.
      return chain->through >= *moment.time ? &*chain : nullptr;
    }
    if (moment.sequence.has_value()) {
      if (chain->first_sequence > *moment.sequence) continue;
      return chain->last_sequence >= *moment.sequence ? &*chain : nullptr;
    }
    return &*chain;
  }
  return nullptr;
}

// Writes the entries of a chain to the store of its base.
class Replay {
 public:
  Replay(const ChainReach& chain, const ArchiveMoment& moment, const CallContext& call)
      : chain_(chain), moment_(moment), call_(call) {}

  absl::Status Run(const std::string& path) {
    RAGMESH_ASSIGN_OR_RETURN(const auto database,
                             Database::Open(path, {.low_free_bytes = 0, .high_free_bytes = 0}));
    expected_ = chain_.first_sequence + 1;
    for (const int file : LogFilesOf(chain_.path)) {
      if (done_) break;
      RAGMESH_RETURN_IF_ERROR(
          ReadLogFile(absl::StrCat(chain_.path, "/", LogFileName(file)),
                      [&](const ArchiveEntry& entry) { return Take(entry, database.get()); })
              .status());
    }
    return database->SyncLog();
  }
  const RestoredMoment& restored() const { return restored_; }

 private:
  // False: what comes next is later than what is wanted.
  absl::StatusOr<bool> Take(const ArchiveEntry& entry, Database* database) {
    if (++seen_ % kEntriesPerCheck == 0) RAGMESH_RETURN_IF_ERROR(call_.Check());
    if (entry.count == 0) return true;
    if (entry.sequence + entry.count <= expected_) return true;  // in the base, or written twice
    if (entry.sequence != expected_) {
      return Corrupt(chain_.path,
                     absl::StrCat("lacks the writes from ", expected_, " to ", entry.sequence - 1),
                     "Restore an earlier moment, or one of a later chain.");
    }
    const std::uint64_t last = entry.sequence + entry.count - 1;
    if ((moment_.time.has_value() && entry.time > *moment_.time) ||
        (moment_.sequence.has_value() && last > *moment_.sequence)) {
      done_ = true;
      return false;
    }
    RAGMESH_RETURN_IF_ERROR(database->ApplyLogged(entry.batch));
    expected_ = last + 1;
    restored_.last_write = entry.time;
    ++restored_.batches;
    restored_.sequence = last;
    return true;
  }

  const ChainReach& chain_;
  const ArchiveMoment& moment_;
  const CallContext& call_;
  std::uint64_t expected_ = 0;
  std::size_t seen_ = 0;
  bool done_ = false;
  RestoredMoment restored_;
};

}  // namespace

absl::StatusOr<RestoredMoment> RestoreMoment(const std::string& archive,
                                             const ArchiveMoment& moment,
                                             const std::string& data_dir, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const std::vector<ChainReach> reach, ReachOf(archive, call));
  const ChainReach* const chain = Choose(reach, moment);
  if (chain == nullptr) {
    return NotArchived(moment.time.has_value()       ? Text(*moment.time)
                       : moment.sequence.has_value() ? absl::StrCat("write ", *moment.sequence)
                                                     : "any moment",
                       reach);
  }
  Replay replay(*chain, moment, call);
  RAGMESH_ASSIGN_OR_RETURN(const backup::Manifest base,
                           RestoreSnapshot(
                               chain->path + "/base", data_dir, [](std::uint64_t) {}, call,
                               [&](const std::string& path) { return replay.Run(path); }));
  RestoredMoment restored = replay.restored();
  if (restored.batches == 0) {
    restored.sequence = base.sequence;
    restored.last_write = base.created;
  }
  return restored;
}

}  // namespace ragmesh::vector_store
