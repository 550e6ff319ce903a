#include "services/ragmesh/store_backups.h"

#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "libs/backup/snapshot_folder.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/archive_files.h"
#include "libs/vector_store/snapshot.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

constexpr std::uint64_t kMegabyte = 1'000'000;

nlohmann::json JsonOf(const backup::Manifest& manifest) {
  nlohmann::json collections = nlohmann::json::array();
  for (const auto& c : manifest.collections) {
    collections.push_back({{"tenant", c.tenant},
                           {"name", c.name},
                           {"sequence", c.sequence},
                           {"documents", c.documents},
                           {"chunks", c.chunks}});
  }
  return {{"created", absl::FormatTime(absl::RFC3339_full, manifest.created, absl::UTCTimeZone())},
          {"release", manifest.release},
          {"format", manifest.store_format},
          {"sequence", manifest.sequence},
          {"bytes", manifest.size_bytes()},
          {"files", manifest.files.size()},
          {"collections", std::move(collections)}};
}

void Print(const backup::Manifest& manifest) {
  for (const auto& c : manifest.collections) {
    std::printf("  %s/%s: %llu documents, %llu chunks\n", Printable(c.tenant).c_str(),
                Printable(c.name).c_str(), static_cast<unsigned long long>(c.documents),
                static_cast<unsigned long long>(c.chunks));
  }
}

// A bar over the bytes of a snapshot.
class Bytes {
 public:
  Bytes(const char* label, std::uint64_t total, bool quiet)
      : total_(total), bar_(label, "MB", quiet) {}
  void Add(std::uint64_t bytes) {
    done_ += bytes;
    bar_.Update(done_ / kMegabyte, total_ / kMegabyte, "");
  }

 private:
  std::uint64_t done_ = 0;
  const std::uint64_t total_;
  Progress bar_;
};

}  // namespace

void StoreBackups::Declare(flags::FlagSet& store) {
  flags::FlagSet& take =
      store.Subcommand("snapshot", "Takes a snapshot of the whole store, running or stopped.",
                       "ragmesh store snapshot --data_dir=/var/lib/ragmesh");
  take.Positional("name", &name_, false, "Its name; without one, the time in UTC.");
  access_.Declare(take);
  flags::FlagSet& list =
      store.Subcommand("snapshots", "Lists the snapshots of a store.", "ragmesh store snapshots");
  access_.Declare(list);
  flags::FlagSet& verify =
      store.Subcommand("verify", "Reads all of a snapshot and checks it against its manifest.",
                       "ragmesh store verify /backup/20261126T200000Z");
  verify.Positional("snapshot", &snapshot_, true, "Folder of the snapshot.");
  verify.Bool("json", &access_.json, "Print one JSON object, and errors as JSON on stderr.");
  verify.Bool("quiet", &access_.quiet, "No progress on stderr.");
  flags::FlagSet& moments =
      store.Subcommand("moments", "Which moments of a store its archive holds.",
                       "ragmesh store moments --archive=/backup/archive");
  moments.String("archive", &archive_, "Folder of the archive: --store_archive of the store.");
  moments.Bool("json", &access_.json, "Print one JSON object a line, and errors as JSON.");
  flags::FlagSet& restore = store.Subcommand(
      "restore",
      "Makes the store of a snapshot, or of a moment of an archive, in a folder that is empty or "
      "not there yet.",
      "ragmesh store restore /backup/20261126T200000Z --data_dir=/var/lib/ragmesh/vector-store");
  restore.Positional("snapshot", &snapshot_, false, "Folder of the snapshot.");
  restore.String("archive", &archive_, "Folder of an archive, in place of a snapshot.");
  restore.String("at", &at_,
                 "Moment of the archive, all that was acknowledged before it: "
                 "2026-11-26T20:00:00Z, or latest.");
  restore.Int("sequence", &sequence_, {0, std::numeric_limits<std::int64_t>::max()}, "",
              "Last write of the archive to be in it, in place of --at.");
  restore.String("data_dir", &target_,
                 "Folder of the store to make; of `ragmesh serve` it is vector-store in its own.");
  restore.Bool("json", &access_.json, "Print one JSON object, and errors as JSON on stderr.");
  restore.Bool("quiet", &access_.quiet, "No progress on stderr.");
}

bool StoreBackups::Has(const std::string& chosen) {
  return chosen == "store snapshot" || chosen == "store snapshots" || chosen == "store verify" ||
         chosen == "store restore" || chosen == "store moments";
}

int StoreBackups::Run(const std::string& chosen) const {
  const absl::Status status = chosen == "store snapshot"    ? Take()
                              : chosen == "store snapshots" ? List()
                              : chosen == "store verify"    ? Verify()
                              : chosen == "store moments"   ? Moments()
                              : archive_.empty()            ? Restore()
                                                            : RestoreArchived();
  return status.ok() ? kOk : Fail(status, access_.json);
}

void StoreBackups::Print(const stages::StoreSnapshot& snapshot) const {
  const std::string created =
      absl::FormatTime(absl::RFC3339_sec, snapshot.created, absl::UTCTimeZone());
  if (access_.json) {
    PrintLine({{"snapshot",
                {{"name", snapshot.name},
                 {"path", snapshot.path},
                 {"created", created},
                 {"bytes", snapshot.size_bytes},
                 {"sequence", snapshot.sequence},
                 {"collections", snapshot.collections},
                 {"manifest_sha256", snapshot.sha256}}}});
    return;
  }
  std::printf("%s: %s, %llu collections, %.1f MB, in %s\n", Printable(snapshot.name).c_str(),
              created.c_str(), static_cast<unsigned long long>(snapshot.collections),
              static_cast<double>(snapshot.size_bytes) / kMegabyte,
              Printable(snapshot.path).c_str());
}

absl::Status StoreBackups::Take() const {
  RAGMESH_ASSIGN_OR_RETURN(const auto store, OpenStore(access_));
  RAGMESH_ASSIGN_OR_RETURN(stages::StoreAdmin* const admin, AdminOf(*store));
  RAGMESH_ASSIGN_OR_RETURN(const auto taken, admin->CreateSnapshot(name_, access_.NewCall()));
  Print(taken);
  return absl::OkStatus();
}

absl::Status StoreBackups::List() const {
  RAGMESH_ASSIGN_OR_RETURN(const auto store, OpenStore(access_));
  RAGMESH_ASSIGN_OR_RETURN(stages::StoreAdmin* const admin, AdminOf(*store));
  RAGMESH_ASSIGN_OR_RETURN(const auto found, admin->ListSnapshots(access_.NewCall()));
  for (const stages::StoreSnapshot& snapshot : found) Print(snapshot);
  if (found.empty() && !access_.json)
    std::printf("No snapshots yet. Take one with: ragmesh store snapshot\n");
  return absl::OkStatus();
}

absl::Status StoreBackups::Verify() const {
  RAGMESH_ASSIGN_OR_RETURN(const auto said, backup::ReadSnapshotManifest(snapshot_));
  Bytes bar("verify", said.size_bytes(), access_.quiet || access_.json);
  RAGMESH_ASSIGN_OR_RETURN(
      const auto manifest,
      backup::VerifySnapshot(
          snapshot_, [&](std::uint64_t bytes) { bar.Add(bytes); }, access_.NewCall()));
  if (access_.json) {
    PrintLine({{"verified", JsonOf(manifest)}});
    return absl::OkStatus();
  }
  std::printf("The snapshot is whole: %zu files, %.1f MB.\n", manifest.files.size(),
              static_cast<double>(manifest.size_bytes()) / kMegabyte);
  cli::Print(manifest);
  return absl::OkStatus();
}

absl::Status StoreBackups::Restore() const {
  if (target_.empty())
    return InvalidField("data_dir", "is missing", "Name the folder of the store to make.");
  if (snapshot_.empty() || !at_.empty() || sequence_ != 0) {
    return InvalidField("snapshot", snapshot_.empty() ? "is missing" : "has but one moment",
                        "Name the folder of a snapshot, or --archive with --at or --sequence.");
  }
  RAGMESH_ASSIGN_OR_RETURN(const auto said, backup::ReadSnapshotManifest(snapshot_));
  Bytes bar("restore", said.size_bytes(), access_.quiet || access_.json);
  RAGMESH_ASSIGN_OR_RETURN(
      const auto manifest,
      vector_store::RestoreSnapshot(
          snapshot_, target_, [&](std::uint64_t bytes) { bar.Add(bytes); }, access_.NewCall()));
  if (access_.json) {
    PrintLine({{"restored", JsonOf(manifest)}});
    return absl::OkStatus();
  }
  std::printf("Restored to %s:\n", target_.c_str());
  cli::Print(manifest);
  return absl::OkStatus();
}

absl::Status StoreBackups::RestoreArchived() const {
  if (target_.empty())
    return InvalidField("data_dir", "is missing", "Name the folder of the store to make.");
  if (!snapshot_.empty())
    return InvalidField("archive", "contradicts a snapshot", "Name one of the two.");
  vector_store::ArchiveMoment moment;
  std::string error;
  if (at_.empty() == (sequence_ == 0))
    return InvalidField("at", "and sequence: exactly one is needed",
                        "Name a moment, --at=latest for the last, or a write.");
  if (sequence_ != 0) moment.sequence = static_cast<std::uint64_t>(sequence_);
  if (!at_.empty() && at_ != "latest" &&
      !absl::ParseTime(absl::RFC3339_full, at_, &moment.time.emplace(), &error))
    return InvalidField("at", absl::StrCat("is \"", at_, "\", which is no moment"),
                        "Write it as 2026-11-26T20:00:00Z, or with another zone as +01:00.");
  RAGMESH_ASSIGN_OR_RETURN(const auto restored, vector_store::RestoreMoment(
                                                    archive_, moment, target_, access_.NewCall()));
  const std::string last =
      absl::FormatTime(absl::RFC3339_full, restored.last_write, absl::UTCTimeZone());
  if (access_.json) {
    PrintLine(
        {{"restored",
          {{"sequence", restored.sequence}, {"last_write", last}, {"batches", restored.batches}}}});
    return absl::OkStatus();
  }
  std::printf("Restored to %s: up to write %llu, of %s.\n", target_.c_str(),
              static_cast<unsigned long long>(restored.sequence), last.c_str());
  return absl::OkStatus();
}

absl::Status StoreBackups::Moments() const {
  if (archive_.empty()) return InvalidField("archive", "is missing", "Name its folder.");
  RAGMESH_ASSIGN_OR_RETURN(const auto reach, vector_store::ReachOf(archive_, access_.NewCall()));
  if (reach.empty()) return NotFound("archive", archive_, "Name the folder of --store_archive.");
  for (const auto& chain : reach) {
    const auto text = [](absl::Time time) {
      return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
    };
    if (access_.json) {
      PrintLine({{"chain",
                  {{"number", chain.number},
                   {"from", text(chain.from)},
                   {"through", text(chain.through)},
                   {"first_sequence", chain.first_sequence},
                   {"last_sequence", chain.last_sequence},
                   {"bytes", chain.bytes}}}});
      continue;
    }
    std::printf("%s to %s, writes %llu to %llu, %.1f MB\n", text(chain.from).c_str(),
                text(chain.through).c_str(), static_cast<unsigned long long>(chain.first_sequence),
                static_cast<unsigned long long>(chain.last_sequence),
                static_cast<double>(chain.bytes) / kMegabyte);
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::cli
