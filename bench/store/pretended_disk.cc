#include "bench/store/pretended_disk.h"

#include <string>
#include <utility>

#include "absl/time/clock.h"

namespace ragmesh::bench {
namespace {

class File final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  File(std::unique_ptr<rocksdb::FSWritableFile> file, absl::Duration sync)
      : FSWritableFileOwnerWrapper(std::move(file)), sync_(sync) {}

  rocksdb::IOStatus Sync(const rocksdb::IOOptions&, rocksdb::IODebugContext*) override {
    absl::SleepFor(sync_);
    return rocksdb::IOStatus::OK();
  }
  rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options,
                          rocksdb::IODebugContext* debug) override {
    return Sync(options, debug);
  }

 private:
  const absl::Duration sync_;
};

class Disk final : public rocksdb::FileSystemWrapper {
 public:
  explicit Disk(absl::Duration sync)
      : FileSystemWrapper(rocksdb::FileSystem::Default()), sync_(sync) {}

  const char* Name() const override { return "PretendedDisk"; }
  rocksdb::IOStatus NewWritableFile(const std::string& path, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file,
                                    rocksdb::IODebugContext* debug) override {
    std::unique_ptr<rocksdb::FSWritableFile> real;
    rocksdb::IOStatus status = target()->NewWritableFile(path, options, &real, debug);
    if (status.ok()) *file = std::make_unique<File>(std::move(real), sync_);
    return status;
  }

 private:
  const absl::Duration sync_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> PretendedDisk(absl::Duration sync) {
  return std::make_shared<Disk>(sync);
}

}  // namespace ragmesh::bench
