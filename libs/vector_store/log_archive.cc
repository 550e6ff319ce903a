#include "libs/vector_store/log_archive.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/backup/files.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/archive_files.h"
#include "libs/vector_store/snapshot.h"

namespace ragmesh::vector_store {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kFileBytes = 64 << 20;  // then the next log file begins
// How often a store that nobody writes to says so, which is what makes its moments restorable.
constexpr absl::Duration kMarkEvery = absl::Minutes(1);

}  // namespace

LogArchive::LogArchive(Database* database, const LogArchiveOptions& options, const Clock* clock)
    : database_(*database), options_(options), clock_(*clock) {}

std::unique_ptr<LogArchive> LogArchive::Open(Database* database, const LogArchiveOptions& options,
                                             const Clock* clock) {
  auto archive = std::unique_ptr<LogArchive>(new LogArchive(database, options, clock));
  {
    absl::MutexLock lock(&archive->mutex_);
    archive->status_ = archive->Resume();
    archive->resumed_ = archive->status_.ok();
  }
  if (options.interval > absl::ZeroDuration())
    archive->thread_ = std::thread([a = archive.get()] { a->Loop(); });
  return archive;
}

LogArchive::~LogArchive() {
  stop_.Notify();
  if (thread_.joinable()) thread_.join();
  Ship().IgnoreError();
}

void LogArchive::Loop() {
  while (!stop_.WaitForNotificationWithTimeout(options_.interval)) {
    absl::MutexLock lock(&mutex_);
    status_ = ShipLocked(/*mark=*/clock_.Now() - marked_ >= kMarkEvery);
  }
}

LogArchive::Health LogArchive::health() const {
  absl::MutexLock lock(&mutex_);
  return {next_ == 0 ? 0 : next_ - 1, status_};
}

absl::Status LogArchive::Ship() {
  absl::MutexLock lock(&mutex_);
  return status_ = ShipLocked(/*mark=*/true);
}

// The last chain is gone on with when it is of this database, and neither has what the other lacks.
absl::Status LogArchive::Resume() {
  std::error_code error;
  fs::create_directories(options_.folder, error);
  if (error) return ErrnoError(absl::StrCat("make ", options_.folder), error.value());
  std::vector<int> chains = ChainsOf(options_.folder);
  std::string chain;
  std::vector<int> files;
  for (; !chains.empty(); chains.pop_back()) {
    chain = absl::StrCat(options_.folder, "/", ChainName(chains.back()));
    files = LogFilesOf(chain);
    if (!files.empty() && fs::exists(chain + "/base/snapshot.json", error)) break;
    fs::remove_all(chain, error);  // it was killed while it began
  }
  if (chains.empty()) return StartChain();
  chain_ = chains.back();
  file_number_ = files.back();
  const auto first = ReadLogFileHead(absl::StrCat(chain, "/", LogFileName(files.front())));
  std::uint64_t next = 0;
  const auto head = ReadLogFile(absl::StrCat(chain, "/", LogFileName(file_number_)),
                                [&](const ArchiveEntry& entry) -> absl::StatusOr<bool> {
                                  next = entry.sequence + entry.count;
                                  return true;
                                });
  RAGMESH_ASSIGN_OR_RETURN(const std::string identity, database_.Identity());
  if (!first.ok() || !head.ok() || head->database != identity) return StartChain();
  next_ = std::max(next, head->first);
  base_time_ = first->usable_from;
  if (next_ > database_.LatestSequence() + 1) return StartChain();
  RAGMESH_RETURN_IF_ERROR(StartFile(base_time_));
  RAGMESH_ASSIGN_OR_RETURN(const bool whole, AppendNew());
  return whole ? absl::OkStatus() : StartChain();
}

absl::Status LogArchive::StartChain() {
  const int number = ChainsOf(options_.folder).empty() ? 1 : ChainsOf(options_.folder).back() + 1;
  const std::string chain = absl::StrCat(options_.folder, "/", ChainName(number));
  std::error_code error;
  fs::create_directories(chain, error);
  if (error) return ErrnoError(absl::StrCat("make ", chain), error.value());
  const auto base = TakeSnapshot(&database_, chain, "base", clock_.Now(), options_.release,
                                 CallContext(absl::InfiniteFuture()));
  if (!base.ok()) {
    fs::remove_all(chain, error);
    return base.status();
  }
  const absl::Time usable_from = clock_.Now();
  if (file_.valid()) {
    // So that no moment lies between the two chains.
    const absl::Time now = clock_.Now();
    RAGMESH_ASSIGN_OR_RETURN(const bool whole, AppendNew());
    if (whole) RAGMESH_RETURN_IF_ERROR(AppendMark(now));
  }
  file_.reset();
  chain_ = number;
  file_number_ = 0;
  next_ = base->sequence + 1;
  base_time_ = usable_from;
  RAGMESH_RETURN_IF_ERROR(StartFile(usable_from));
  RAGMESH_RETURN_IF_ERROR(backup::SyncFolder(options_.folder));
  RAGMESH_RETURN_IF_ERROR(AppendNew().status());
  return Prune();
}

absl::Status LogArchive::StartFile(absl::Time usable_from) {
  RAGMESH_ASSIGN_OR_RETURN(const std::string identity, database_.Identity());
  const std::string chain = absl::StrCat(options_.folder, "/", ChainName(chain_));
  const std::string path = absl::StrCat(chain, "/", LogFileName(++file_number_));
  file_ = ScopedFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!file_.valid()) return ErrnoError(absl::StrCat("make ", path), errno);
  file_bytes_ = 0;
  RAGMESH_RETURN_IF_ERROR(Append(FrameOf(ArchiveFileHead{identity, next_, usable_from})));
  if (fdatasync(file_.get()) != 0) return ErrnoError(absl::StrCat("sync ", path), errno);
  return backup::SyncFolder(chain);
}

absl::Status LogArchive::Append(absl::string_view frame) {
  while (!frame.empty()) {
    const ssize_t written = ::write(file_.get(), frame.data(), frame.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      // What is half there is passed over by readers; the next try begins a new file.
      const int why = errno;
      file_.reset();
      return ErrnoError("write to the archive", why);
    }
    file_bytes_ += static_cast<std::uint64_t>(written);
    frame.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LogArchive::AppendNew() {
  if (database_.LatestSequence() < next_) return true;
  std::uint64_t next = next_;
  RAGMESH_ASSIGN_OR_RETURN(const bool whole, database_.LoggedSince(next_, [&](ArchiveEntry entry) {
    next = entry.sequence + entry.count;
    return Append(FrameOf(entry));
  }));
  if (fdatasync(file_.get()) != 0) {
    const int why = errno;
    file_.reset();
    return ErrnoError("sync the archive", why);
  }
  next_ = next;
  return whole;
}

absl::Status LogArchive::AppendMark(absl::Time time) {
  RAGMESH_RETURN_IF_ERROR(Append(FrameOf(ArchiveEntry{next_, 0, time, ""})));
  if (fdatasync(file_.get()) != 0) return ErrnoError("sync the archive", errno);
  marked_ = time;
  return absl::OkStatus();
}

absl::Status LogArchive::ShipLocked(bool mark) {
  if (!resumed_) {
    RAGMESH_RETURN_IF_ERROR(StartChain());
    resumed_ = true;
  }
  const absl::Time now = clock_.Now();  // before the look: what was acknowledged by then is seen
  if (now - base_time_ >= options_.base_every) return StartChain();
  if (!file_.valid() || file_bytes_ >= kFileBytes) RAGMESH_RETURN_IF_ERROR(StartFile(base_time_));
  RAGMESH_ASSIGN_OR_RETURN(const bool whole, AppendNew());
  if (!whole) return StartChain();
  if (mark) RAGMESH_RETURN_IF_ERROR(AppendMark(now));
  return mark ? Prune() : absl::OkStatus();
}

// A chain goes once the one after it reaches back as far as is to be kept.
absl::Status LogArchive::Prune() {
  std::vector<int> chains = ChainsOf(options_.folder);
  const auto path = [this](int chain) {
    return absl::StrCat(options_.folder, "/", ChainName(chain));
  };
  const auto size = [&](int chain) {
    std::uint64_t bytes = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator it(path(chain), error), end; !error && it != end;
         it.increment(error)) {
      std::error_code gone;
      if (it->is_regular_file(gone)) bytes += it->file_size(gone);
    }
    return bytes;
  };
  std::uint64_t total = 0;
  if (options_.max_bytes > 0) {
    for (const int chain : chains) total += size(chain);
  }
  const absl::Time oldest = clock_.Now() - options_.keep;
  for (std::size_t i = 0; i + 1 < chains.size(); ++i) {
    const auto next = ReadLogFileHead(absl::StrCat(path(chains[i + 1]), "/", LogFileName(1)));
    const bool outdated = next.ok() && next->usable_from <= oldest;
    const bool too_much = options_.max_bytes > 0 && total > options_.max_bytes;
    if (!outdated && !too_much) break;
    if (too_much) total -= std::min(total, size(chains[i]));
    // The base's manifest first: a chain without is none, whatever else is left of it.
    std::error_code error;
    fs::remove(path(chains[i]) + "/base/snapshot.json", error);
    fs::remove_all(path(chains[i]), error);
    if (error) return ErrnoError(absl::StrCat("remove ", path(chains[i])), error.value());
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::vector_store
