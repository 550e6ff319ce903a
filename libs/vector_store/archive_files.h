// The files of a store's archive, as LogArchive writes them and a restore reads them.
#ifndef RAGMESH_LIBS_VECTOR_STORE_ARCHIVE_FILES_H_
#define RAGMESH_LIBS_VECTOR_STORE_ARCHIVE_FILES_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"

namespace ragmesh::vector_store {

// What a log file begins with.
struct ArchiveFileHead {
  std::string database;     // identity of the database whose writes these are
  std::uint64_t first = 0;  // sequence of the first write that may follow
  absl::Time usable_from;   // of a chain's first file: its base was complete then
};

// One batch of writes as RocksDB logged it; without bytes a mark: all that was acknowledged before
// its time comes before it.
struct ArchiveEntry {
  std::uint64_t sequence = 0;  // of its first write; of a mark, of the next one
  std::uint64_t count = 0;     // of sequence numbers it takes
  absl::Time time;             // when it was about to be written
  std::string batch;
};

// Frames as they lie in a file: length u32, then a sealed value.
std::string FrameOf(const ArchiveFileHead& head);
std::string FrameOf(const ArchiveEntry& entry);

std::string ChainName(int number);    // "chain-000001"
std::string LogFileName(int number);  // "log-000001"

// Chains of an archive by number, ascending, and log files of a chain; what has no such name is
// passed over. Empty when there is no such folder.
std::vector<int> ChainsOf(const std::string& archive);
std::vector<int> LogFilesOf(const std::string& chain);

// Reads a log file: its head, then each entry that is whole. What a crash cut off at the end is
// passed over; DATA_LOSS / CORRUPT_DATA where a frame does not check out and more follows. `take`
// may end the walk with false.
absl::StatusOr<ArchiveFileHead> ReadLogFile(
    const std::string& path, absl::FunctionRef<absl::StatusOr<bool>(ArchiveEntry)> take);
absl::StatusOr<ArchiveFileHead> ReadLogFileHead(const std::string& path);

// What of a store can be made again from one chain.
struct ChainReach {
  int number = 0;
  std::string path;
  absl::Time from, through;                             // moments
  std::uint64_t first_sequence = 0, last_sequence = 0;  // of the store; the first is the base's
  std::uint64_t bytes = 0;                              // on disk
};
// Reads the log files of every chain. Chains without a base are passed over.
absl::StatusOr<std::vector<ChainReach>> ReachOf(const std::string& archive,
                                                const CallContext& call);

// Which moment of a store is wanted: one of the two, or neither for the last there is.
struct ArchiveMoment {
  std::optional<absl::Time> time;         // all that was acknowledged before it
  std::optional<std::uint64_t> sequence;  // up to this write of the store
};
struct RestoredMoment {
  std::uint64_t sequence = 0;  // of the last write that is in it
  absl::Time last_write;       // when that was about to be written; of a base, when it was taken
  std::uint64_t batches = 0;   // that were written after the base
};
// Makes the store of that moment in `data_dir`, as RestoreSnapshot does. OUT_OF_RANGE /
// MOMENT_NOT_ARCHIVED when the archive does not reach there, with what it reaches.
absl::StatusOr<RestoredMoment> RestoreMoment(const std::string& archive,
                                             const ArchiveMoment& moment,
                                             const std::string& data_dir, const CallContext& call);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_ARCHIVE_FILES_H_
