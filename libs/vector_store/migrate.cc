#include "libs/vector_store/migrate.h"

#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/binary_codec.h"
#include "libs/vector_store/database.h"
#include "libs/vector_store/record_keys.h"
#include "libs/vector_store/records.h"
#include "libs/vector_store/stored_collection.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kValuesPerCommit = 1000;
constexpr std::size_t kChecksumBytes = 4, kHeadBytes = 2;

// A value in an earlier layout, where that is the beginning of the one it has. Formats 1 and 2 were
// first written by builds that knew no values but of version 1.
std::string Earlier(RecordKind kind, std::uint8_t version, const std::string& value,
                    std::size_t without) {
  const std::size_t payload = value.size() - kHeadBytes - kChecksumBytes - without;
  return Seal(kind, version, absl::string_view(value).substr(kHeadBytes, payload));
}

std::string FirstVersion(const IndexEntry& entry) {
  BinaryWriter out;
  out.Bytes(entry.chunk_id);
  out.U64(entry.document_number);
  out.Varint(entry.ordinal);
  out.Varint(entry.terms.terms.size());
  for (const lexical::ChunkTerms::Term& term : entry.terms.terms) {
    out.Bytes(term.term);
    out.Varint(term.count());
  }
  return Seal(RecordKind::kIndexEntry, 1, out.bytes());
}

class Downgrade {
 public:
  Downgrade(Database* database, std::uint32_t to, const CallContext& call)
      : database_(*database), to_(to), call_(call) {}

  // What the older format has no place for. Changes nothing.
  absl::Status Survey(std::vector<std::string>* lost) {
    std::uint64_t keys = 0, tokens = 0, weights = 0, recalls = 0, retentions = 0, times = 0;
    std::uint64_t aliases = 0;
    if (to_ < 3) {
      const auto replays = database_.Walk(Family::kReplays, "");
      for (; replays->Valid(); replays->Next()) ++keys;
      RAGMESH_RETURN_IF_ERROR(replays->status());
    }
    const auto names = database_.Walk(Family::kMeta, kAliasPrefix);
    for (; names->Valid(); names->Next()) ++aliases;
    RAGMESH_RETURN_IF_ERROR(names->status());
    if (to_ < 2) {
      const auto at = database_.Walk(Family::kTokens, "");
      for (; at->Valid(); at->Next()) ++tokens;
      RAGMESH_RETURN_IF_ERROR(at->status());
    }
    const auto collections = database_.Walk(Family::kCollections, "");
    for (; collections->Valid(); collections->Next()) {
      RAGMESH_ASSIGN_OR_RETURN(const CollectionRecord record,
                               DecodeCollection(collections->value()));
      if (to_ < 3)
        weights += record.config.lexical_weights != stages::FieldWeights{1, 1, 1} ? 1 : 0;
      recalls += record.config.dense_recall != stages::CollectionConfig().dense_recall ? 1 : 0;
      retentions += record.config.retention > absl::ZeroDuration() ? 1 : 0;
    }
    RAGMESH_RETURN_IF_ERROR(collections->status());
    const auto documents = database_.Walk(Family::kDocuments, "");
    for (; documents->Valid(); documents->Next()) {
      RAGMESH_RETURN_IF_ERROR(call_.Check());
      RAGMESH_ASSIGN_OR_RETURN(const DocumentRecord record, DecodeDocument(documents->value()));
      times += record.document.expires.has_value() ? 1 : 0;
    }
    RAGMESH_RETURN_IF_ERROR(documents->status());
    const auto tell = [lost](std::uint64_t count, const char* what) {
      if (count > 0) lost->push_back(absl::StrCat(count, " ", what));
    };
    tell(keys, "idempotency keys, whose writes would be done again if they were sent again");
    tell(tokens, "chunks' tokens, which rerankers then compute anew");
    tell(weights, "collections' weights of fields");
    tell(recalls, "collections' recalls");
    tell(retentions, "collections' retentions");
    tell(aliases, "aliases; their collections stay under their own names");
    tell(times, "documents' times at which they go");
    return absl::OkStatus();
  }

  // Every value in a layout that is readable before and after, then the format, then the families
  // that it does not have. Families that are there too much disturb no release.
  absl::Status Run(std::uint64_t* values) {
    RAGMESH_RETURN_IF_ERROR(FinishDrops());
    RAGMESH_RETURN_IF_ERROR(Rewrite(
        Family::kCollections, [this](absl::string_view value) { return OldCollection(value); }));
    RAGMESH_RETURN_IF_ERROR(
        Rewrite(Family::kStates, [this](absl::string_view value) { return OldState(value); }));
    RAGMESH_RETURN_IF_ERROR(
        Rewrite(Family::kDocuments, [](absl::string_view value) { return OldDocument(value); }));
    if (to_ < 3) {
      RAGMESH_RETURN_IF_ERROR(
          Rewrite(Family::kIndex, [](absl::string_view value) { return OldIndexEntry(value); }));
      RAGMESH_RETURN_IF_ERROR(Clear(Family::kReplays, ""));
    }
    RAGMESH_RETURN_IF_ERROR(Clear(Family::kMeta, kExpiresPrefix));
    RAGMESH_RETURN_IF_ERROR(Clear(Family::kMeta, kAliasPrefix));
    for (const Family family : {Family::kSegments, Family::kRemoved})
      RAGMESH_RETURN_IF_ERROR(Clear(family, ""));
    if (to_ < 2) RAGMESH_RETURN_IF_ERROR(Clear(Family::kTokens, ""));
    WriteSet format;
    format.Put(Family::kMeta, "format", EncodeFormat(to_));
    RAGMESH_RETURN_IF_ERROR(database_.Commit(format));
    for (const Family family : {Family::kRemoved, Family::kSegments})
      RAGMESH_RETURN_IF_ERROR(database_.DropFamily(family));
    if (to_ < 3) RAGMESH_RETURN_IF_ERROR(database_.DropFamily(Family::kReplays));
    if (to_ < 2) RAGMESH_RETURN_IF_ERROR(database_.DropFamily(Family::kTokens));
    *values = values_;
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::string> OldCollection(absl::string_view value) const {
    RAGMESH_ASSIGN_OR_RETURN(CollectionRecord record, DecodeCollection(value));
    record.config.retention = absl::ZeroDuration();
    record.config.dense_recall = stages::CollectionConfig().dense_recall;
    if (to_ == 3) return Encode(record);
    record.analyzer_version.clear();  // so that whoever opens it makes its index entries anew
    return Earlier(RecordKind::kCollection, 1, Encode(record), 3 * sizeof(double));
  }
  absl::StatusOr<std::string> OldState(absl::string_view value) const {
    RAGMESH_ASSIGN_OR_RETURN(const CollectionState state, DecodeState(value));
    return Earlier(RecordKind::kState, to_ == 3 ? 2 : 1, Encode(state),
                   (to_ == 3 ? 1 : 3) * sizeof(std::uint64_t));
  }
  static absl::StatusOr<std::string> OldDocument(absl::string_view value) {
    RAGMESH_ASSIGN_OR_RETURN(DocumentRecord record, DecodeDocument(value));
    record.document.expires.reset();
    return Encode(record);
  }
  static absl::StatusOr<std::string> OldIndexEntry(absl::string_view value) {
    RAGMESH_ASSIGN_OR_RETURN(const IndexEntry entry, DecodeIndexEntry(value));
    return FirstVersion(entry);
  }

  absl::Status FinishDrops() {
    std::vector<std::uint32_t> numbers;
    const auto notes = database_.Walk(Family::kMeta, kDroppedPrefix);
    for (; notes->Valid(); notes->Next()) {
      RAGMESH_ASSIGN_OR_RETURN(const std::uint64_t number, DecodeCounter(notes->value()));
      numbers.push_back(static_cast<std::uint32_t>(number));
    }
    RAGMESH_RETURN_IF_ERROR(notes->status());
    for (const std::uint32_t number : numbers)
      RAGMESH_RETURN_IF_ERROR(PurgeCollection(&database_, number));
    return absl::OkStatus();
  }

  template <typename Older>
  absl::Status Rewrite(Family family, const Older& older) {
    WriteSet writes;
    std::size_t waiting = 0;
    const auto at = database_.Walk(family, "");
    for (; at->Valid(); at->Next()) {
      RAGMESH_ASSIGN_OR_RETURN(std::string value, older(at->value()));
      if (value == at->value()) continue;
      writes.Put(family, at->key(), std::move(value));
      ++values_;
      if (++waiting % kValuesPerCommit != 0) continue;
      RAGMESH_RETURN_IF_ERROR(call_.Check());
      RAGMESH_RETURN_IF_ERROR(database_.Commit(std::exchange(writes, WriteSet())));
    }
    RAGMESH_RETURN_IF_ERROR(at->status());
    return writes.empty() ? absl::OkStatus() : database_.Commit(writes);
  }

  absl::Status Clear(Family family, absl::string_view prefix) {
    WriteSet writes;
    std::size_t waiting = 0;
    const auto at = database_.Walk(family, prefix);
    for (; at->Valid(); at->Next()) {
      writes.Delete(family, at->key());
      if (++waiting % kValuesPerCommit != 0) continue;
      RAGMESH_RETURN_IF_ERROR(database_.Commit(std::exchange(writes, WriteSet())));
    }
    RAGMESH_RETURN_IF_ERROR(at->status());
    return writes.empty() ? absl::OkStatus() : database_.Commit(writes);
  }

  Database& database_;
  const std::uint32_t to_;
  const CallContext& call_;
  std::uint64_t values_ = 0;
};

}  // namespace

absl::StatusOr<MigrateReport> MigrateStore(const std::string& path, std::uint32_t to, bool discard,
                                           const CallContext& call) {
  if (to < 1 || to > kFormatVersion)
    return InvalidField("to", absl::StrCat("must be a format from 1 to ", kFormatVersion));
  std::error_code error;
  if (!fs::exists(path + "/CURRENT", error))
    return NotFound("store", path, "Name the folder of a store that is stopped.");
  MigrateReport report;
  report.to = to;
  {
    RAGMESH_ASSIGN_OR_RETURN(const auto before, Database::OpenForReading(path));
    RAGMESH_ASSIGN_OR_RETURN(const auto format, before->Get(Family::kMeta, "format"));
    if (!format.has_value()) return Corrupt(path, "has no format record");
    RAGMESH_ASSIGN_OR_RETURN(report.from, DecodeFormat(*format));
  }
  if (report.from == to) return report;
  // Raises it, when it is older than this build's; what an older one lacks it lacks afterwards too.
  RAGMESH_ASSIGN_OR_RETURN(const auto database, Database::Open(path, {}));
  if (to == kFormatVersion) return report;
  Downgrade downgrade(database.get(), to, call);
  RAGMESH_RETURN_IF_ERROR(downgrade.Survey(&report.lost));
  if (!report.lost.empty() && !discard) {
    return MakeError(
        absl::StatusCode::kFailedPrecondition,
        absl::StrCat("format ", to, " has no place for: ", absl::StrJoin(report.lost, "; ")),
        {.reason = "WOULD_LOSE_DATA",
         .field = "to",
         .next_step = "Take a snapshot first; then --discard does it all the same. "
                      "Idempotency keys go by themselves after a day."});
  }
  RAGMESH_RETURN_IF_ERROR(downgrade.Run(&report.values));
  return report;
}

}  // namespace ragmesh::vector_store
