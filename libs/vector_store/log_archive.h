// The archive of a store's writes: base snapshots and the log of what came after each, from which
// the store of any moment is made again. docs/formats/store-archive.md.
//
//   ARCHIVE/chain-000001/base/        a snapshot
//   ARCHIVE/chain-000001/log-000001   the writes after it, in order
//   ARCHIVE/chain-000002/...          begun a day later, or where the logs had a gap
#ifndef RAGMESH_LIBS_VECTOR_STORE_LOG_ARCHIVE_H_
#define RAGMESH_LIBS_VECTOR_STORE_LOG_ARCHIVE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/scoped_fd.h"
#include "libs/vector_store/database.h"

namespace ragmesh::vector_store {

struct LogArchiveOptions {
  std::string folder;
  std::string release;  // of the build, for the snapshots
  // Between two looks at the store's log: what a lost disk may take with it. 0: only Ship looks.
  absl::Duration interval = absl::ZeroDuration();
  absl::Duration base_every = absl::Hours(24);
  // Every moment this far back can be restored; what only older ones need is removed.
  absl::Duration keep = absl::Hours(7 * 24);
  std::uint64_t max_bytes = 0;  // the oldest chains go beyond it, whatever `keep` says; 0: no bound
};

// Thread-safe. Reads what the database has logged and appends it to the archive; a failure of the
// archive's disk is told and tried again, and never keeps a write from the store.
class LogArchive {
 public:
  // `database` and `clock` are borrowed and outlive it; nothing is written to the database before
  // this has returned. Goes on with the last chain when that is of this database and nothing is
  // missing between, or begins a new one. What goes wrong is told by health, and tried again.
  static std::unique_ptr<LogArchive> Open(Database* database, const LogArchiveOptions& options,
                                          const Clock* clock);
  ~LogArchive();  // after a last look

  // Appends all that was acknowledged before the call, and notes that this was all.
  absl::Status Ship() ABSL_LOCKS_EXCLUDED(mutex_);

  struct Health {
    std::uint64_t sequence = 0;  // of the last write in the archive
    absl::Status status;         // of the last try
  };
  Health health() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  LogArchive(Database* database, const LogArchiveOptions& options, const Clock* clock);
  absl::Status Resume() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status StartChain() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status StartFile(absl::Time usable_from) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Append(absl::string_view frame) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // False: the log no longer has what comes next.
  absl::StatusOr<bool> AppendNew() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status AppendMark(absl::Time time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status ShipLocked(bool mark) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status Prune() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Loop();

  Database& database_;
  const LogArchiveOptions options_;
  const Clock& clock_;
  mutable absl::Mutex mutex_;
  bool resumed_ ABSL_GUARDED_BY(mutex_) = false;  // else a new chain is due
  int chain_ ABSL_GUARDED_BY(mutex_) = 0;
  int file_number_ ABSL_GUARDED_BY(mutex_) = 0;
  ScopedFd file_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t file_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;  // sequence of the next write to append
  absl::Time base_time_ ABSL_GUARDED_BY(mutex_);
  absl::Time marked_ ABSL_GUARDED_BY(mutex_);
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_LOG_ARCHIVE_H_
