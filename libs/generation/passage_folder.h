// Keys and values of passages on disk, for those that were given up in memory and for later runs.
// docs/formats/kept-passages.md has every byte of a file.
#ifndef RAGMESH_LIBS_GENERATION_PASSAGE_FOLDER_H_
#define RAGMESH_LIBS_GENERATION_PASSAGE_FOLDER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/scoped_fd.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/generation/kv_cache.h"

namespace ragmesh::generation {

// What a folder has done, for metrics; read at any time.
struct PassageCounts {
  std::atomic<std::uint64_t> hits{0};         // passages read
  std::atomic<std::uint64_t> misses{0};       // not there
  std::atomic<std::uint64_t> damaged{0};      // files that did not check out, removed
  std::atomic<std::uint64_t> read_failed{0};  // files that the system did not read
  std::atomic<std::uint64_t> written{0};
  std::atomic<std::uint64_t> write_failed{0};
  std::atomic<std::uint64_t> write_skipped{0};  // the disk was behind, or has just failed
  std::atomic<std::uint64_t> bytes_read{0}, bytes_written{0};
  std::atomic<std::uint64_t> bytes{0};  // of all files now
};

// A cache that costs time when it fails and never an answer: a file that is damaged, or is not what
// its name says, is removed, and after a failed write there is none for a minute. Files are
// replaced whole, the least recently used removed for the sake of the budget. The folder is for one
// process at a time; its files are in "passages" within it, readable by its user alone, since keys
// and values tell what a passage says.
//
// Files are read and written by threads of its own. Thread-safe.
class PassageFolder {
 public:
  struct Options {
    std::string path;                   // made when missing
    std::uint64_t max_bytes = 1 << 30;  // of all files
    std::string source;                 // what makes keys from tokens: model and arithmetic
    std::shared_ptr<PassageCounts> counts = {};  // null: nobody looks
    // Told of the first failed write after a good one, and of each damaged file. May be empty.
    std::function<void(const absl::Status& why)> on_fault = {};
  };

  // A file on its way into memory. Whoever lets go of it before it ends has not asked.
  class Reading {
   public:
    explicit Reading(absl::AnyInvocable<void()> on_end) : on_end_(std::move(on_end)) {}

    absl::Time began() const { return began_; }
    bool ended() const { return ended_.load(std::memory_order_acquire); }
    // Once ended: whether there is something to Take().
    bool found() const { return !content_.empty(); }
    // Fills the first blocks of `keys`, which has room for the passage that was asked for.
    void Take(const KvCache& keys) const;

   private:
    friend class PassageFolder;
    const absl::Time began_ = absl::Now();
    absl::AnyInvocable<void()> on_end_;
    std::string file_;
    absl::string_view content_;  // in `file_`
    std::atomic<bool> ended_{false};
  };

  // FAILED_PRECONDITION / PASSAGE_FOLDER_IN_USE while another process has it; errors of the file
  // system. Removes what interrupted writers left, and what is beyond the budget; never files of
  // other names.
  static absl::StatusOr<std::unique_ptr<PassageFolder>> Open(const Options& options,
                                                             const KvShape& shape);
  ~PassageFolder();

  // By what a passage is found: a digest of source, shape, tenant and tokens.
  std::string Key(absl::string_view tenant, absl::Span<const std::uint32_t> tokens) const;

  // Null when it is not here or too many are asked for. `on_end` is called by another thread, and
  // may be so before this returns.
  std::shared_ptr<Reading> Read(const std::string& key, std::size_t blocks,
                                absl::AnyInvocable<void()> on_end);
  // Copies the keys and writes them later, unless they are here. `keys` is not used afterwards.
  void Write(const std::string& key, const KvCache& keys);
  // As if it had been read.
  void Touch(const std::string& key);

  // For tests: until all that was asked for is written.
  void Flush();

 private:
  struct File {
    std::uint64_t bytes = 0;
    std::list<std::string>::iterator place;  // in recent_
  };

  PassageFolder(const Options& options, std::string path, const KvShape& shape, ScopedFd lock);
  absl::Status Scan();
  std::string PathOf(absl::string_view key) const;
  void Load(const std::string& key, std::size_t blocks, Reading* reading);
  absl::StatusOr<absl::string_view> Check(const std::string& key, std::size_t bytes,
                                          absl::string_view file) const;
  void Save(const std::string& key, absl::string_view content);
  void MakeRoom(std::uint64_t bytes);
  void Enter(const std::string& key, std::uint64_t bytes) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(const std::string& key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Report(const absl::Status& why) const;

  const Options options_;
  const std::string path_;  // of the files' folder
  const KvShape shape_;
  const ScopedFd lock_;
  const std::shared_ptr<PassageCounts> counts_;

  absl::Mutex mutex_;
  absl::flat_hash_map<std::string, File> files_ ABSL_GUARDED_BY(mutex_);  // by key
  std::list<std::string> recent_ ABSL_GUARDED_BY(mutex_);  // keys, most recently used first
  std::uint64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  std::size_t queued_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time no_writes_until_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool writes_well_ ABSL_GUARDED_BY(mutex_) = true;

  ThreadPool reader_, writer_;  // last: what they run uses all of the above
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PASSAGE_FOLDER_H_
