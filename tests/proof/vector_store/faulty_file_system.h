// A file system that fails at one chosen operation, lies about syncing, kills the process, or loses
// power: what happens to a store between two instructions, made to happen at each of them.
#ifndef RAGMESH_TESTS_PROOF_VECTOR_STORE_FAULTY_FILE_SYSTEM_H_
#define RAGMESH_TESTS_PROOF_VECTOR_STORE_FAULTY_FILE_SYSTEM_H_

#include <rocksdb/file_system.h>

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace ragmesh::vector_store {

enum class Fault {
  kNone,
  kError,       // EIO, once
  kNoSpace,     // ENOSPC, once
  kShortWrite,  // half of the bytes reach the file, then EIO
  kLyingSync,   // from here on syncs say OK and do nothing
  kKill,        // the process ends, as by kill -9
};

// The operations that a fault counts.
enum class Place {
  kAny,
  kAppend,
  kSync,
  kFlush,       // writes of table files that a memory table becomes
  kCompaction,  // writes of table files that are merged from others
  kManifest,
  kLog,
  kRename,
  kDelete,
  kLink,  // of a checkpoint
};

// Thread-safe. Wraps the operating system's.
class FaultyFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  // Strikes at the operation of `place` with number `index`, from 0.
  FaultyFileSystem(Fault fault, Place place, std::uint64_t index);

  std::uint64_t operations(Place place) const;
  bool struck() const { return struck_; }

  // From now on nothing reaches the disk any more.
  void Freeze() { frozen_ = true; }
  // Makes the disk what a power cut may leave: of each file what was synced and, by chance, the
  // first part of the rest; without files and renames whose directory was not synced. Removals
  // stay. Call when the store is closed.
  void CutPower(std::mt19937* random);

  const char* Name() const override { return "FaultyFileSystem"; }
  rocksdb::IOStatus NewSequentialFile(const std::string& path, const rocksdb::FileOptions& options,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                      rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewRandomAccessFile(const std::string& path,
                                        const rocksdb::FileOptions& options,
                                        std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                        rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus NewDirectory(const std::string& path, const rocksdb::IOOptions& options,
                                 std::unique_ptr<rocksdb::FSDirectory>* directory,
                                 rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetChildren(const std::string& path, const rocksdb::IOOptions& options,
                                std::vector<std::string>* names,
                                rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus GetFileSize(const std::string& path, const rocksdb::IOOptions& options,
                                std::uint64_t* size, rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus DeleteFile(const std::string& path, const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to,
                               const rocksdb::IOOptions& options,
                               rocksdb::IODebugContext* debug) override;
  rocksdb::IOStatus LinkFile(const std::string& from, const std::string& to,
                             const rocksdb::IOOptions& options,
                             rocksdb::IODebugContext* debug) override;

 private:
  friend class FaultyWritableFile;
  friend class FaultyDirectory;
  friend class FaultySequentialFile;
  friend class FaultyRandomAccessFile;

  struct Durable {
    std::uint64_t synced = 0;   // bytes from the start that are on the disk
    bool in_directory = false;  // its name is, too
  };

  // Counts one operation at `place` and at kAny, and says what becomes of it. `kind` is kAny, or
  // what else it counts as.
  rocksdb::IOStatus Step(std::initializer_list<Place> places);
  bool lying() const { return fault_ == Fault::kLyingSync && struck_; }
  void Synced(const std::string& path, std::uint64_t bytes) ABSL_LOCKS_EXCLUDED(mutex_);
  void DirectorySynced(const std::string& path) ABSL_LOCKS_EXCLUDED(mutex_);

  const Fault fault_;
  const Place place_;
  const std::uint64_t index_;
  std::atomic<std::uint64_t> counts_[16] = {};
  std::atomic<bool> struck_{false};
  std::atomic<bool> frozen_{false};
  absl::Mutex mutex_;
  std::map<std::string, Durable> files_ ABSL_GUARDED_BY(mutex_);  // written since the start
  // What a name stood for before a rename that is not durable yet.
  std::map<std::string, std::string> replaced_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_TESTS_PROOF_VECTOR_STORE_FAULTY_FILE_SYSTEM_H_
