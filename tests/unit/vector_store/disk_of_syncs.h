// A disk that counts the syncs of its files, one of which fails when told to.
#ifndef RAGMESH_TESTS_UNIT_VECTOR_STORE_DISK_OF_SYNCS_H_
#define RAGMESH_TESTS_UNIT_VECTOR_STORE_DISK_OF_SYNCS_H_

#include <rocksdb/file_system.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

namespace ragmesh::vector_store {

// Thread-safe. The operating system's files; of them those count whose names end with `ending`.
class DiskOfSyncs final : public rocksdb::FileSystemWrapper {
 public:
  explicit DiskOfSyncs(std::string ending = ".log")
      : FileSystemWrapper(rocksdb::FileSystem::Default()), ending_(std::move(ending)) {}
  const char* Name() const override { return "DiskOfSyncs"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus made = FileSystemWrapper::NewWritableFile(path, options, file, debug);
    if (made.ok() && path.ends_with(ending_)) {
      *file = std::make_unique<File>(std::move(*file), this);
    }
    return made;
  }
  std::atomic<int> syncs{0};
  std::atomic<int> failing{0};  // the number of the one that fails, from 1

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile> file, DiskOfSyncs* disk)
        : FSWritableFileOwnerWrapper(std::move(file)), disk_(*disk) {}
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options,
                           rocksdb::IODebugContext* debug) override {
      if (++disk_.syncs == disk_.failing) return rocksdb::IOStatus::IOError("sync", "failed");
      return FSWritableFileOwnerWrapper::Sync(options, debug);
    }

   private:
    DiskOfSyncs& disk_;
  };

  const std::string ending_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_TESTS_UNIT_VECTOR_STORE_DISK_OF_SYNCS_H_
