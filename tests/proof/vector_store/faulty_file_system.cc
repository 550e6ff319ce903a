#include "tests/proof/vector_store/faulty_file_system.h"

#include <signal.h>

#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace ragmesh::vector_store {

namespace fs = std::filesystem;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

namespace {

constexpr std::size_t kMaxReplacedBytes = 1 << 20;  // CURRENT and OPTIONS are renamed, both small

Place KindOf(const std::string& path) {
  const absl::string_view name = path;
  if (absl::EndsWith(name, ".log")) return Place::kLog;
  if (absl::StrContains(name, "MANIFEST-")) return Place::kManifest;
  return Place::kAny;
}

}  // namespace

class FaultyWritableFile final : public rocksdb::FSWritableFileOwnerWrapper {
 public:
  FaultyWritableFile(FaultyFileSystem* files, std::string path,
                     std::unique_ptr<rocksdb::FSWritableFile> file)
      : FSWritableFileOwnerWrapper(std::move(file)), files_(files), path_(std::move(path)) {}

  IOStatus Append(const Slice& data, const IOOptions& options, IODebugContext* debug) override {
    const IOStatus step = files_->Step({Place::kAppend, Kind()});
    if (!step.ok()) {
      if (files_->fault_ == Fault::kShortWrite && !files_->frozen_) {
        const Slice half(data.data(), data.size() / 2);
        if (FSWritableFileOwnerWrapper::Append(half, options, debug).ok()) size_ += half.size();
      }
      return step;
    }
    size_ += data.size();
    return FSWritableFileOwnerWrapper::Append(data, options, debug);
  }
  IOStatus Append(const Slice& data, const IOOptions& options, const rocksdb::DataVerificationInfo&,
                  IODebugContext* debug) override {
    return Append(data, options, debug);
  }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return Synced(); }
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return Synced(); }
  IOStatus Close(const IOOptions& options, IODebugContext* debug) override {
    const IOStatus step = files_->Step({});
    const IOStatus closed = FSWritableFileOwnerWrapper::Close(options, debug);
    return step.ok() ? closed : step;
  }

 private:
  Place Kind() {
    const Place kind = KindOf(path_);
    if (kind != Place::kAny || !absl::EndsWith(absl::string_view(path_), ".sst")) return kind;
    return GetIOPriority() == rocksdb::Env::IO_LOW ? Place::kCompaction : Place::kFlush;
  }
  // The system's own sync is left out: nothing here outlives the machine.
  IOStatus Synced() {
    const std::uint64_t size = size_;
    const IOStatus step = files_->Step({Place::kSync, Kind()});
    if (step.ok() && !files_->lying()) files_->Synced(path_, size);
    return step;
  }

  FaultyFileSystem* const files_;
  const std::string path_;
  std::uint64_t size_ = 0;
};

class FaultyDirectory final : public rocksdb::FSDirectoryWrapper {
 public:
  FaultyDirectory(FaultyFileSystem* files, std::string path,
                  std::unique_ptr<rocksdb::FSDirectory> directory)
      : FSDirectoryWrapper(std::move(directory)), files_(files), path_(std::move(path)) {}

  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return Synced(); }
  IOStatus FsyncWithDirOptions(const IOOptions&, IODebugContext*,
                               const rocksdb::DirFsyncOptions&) override {
    return Synced();
  }

 private:
  IOStatus Synced() {
    const IOStatus step = files_->Step({Place::kSync});
    if (step.ok() && !files_->lying()) files_->DirectorySynced(path_);
    return step;
  }
  FaultyFileSystem* const files_;
  const std::string path_;
};

class FaultySequentialFile final : public rocksdb::FSSequentialFileOwnerWrapper {
 public:
  FaultySequentialFile(FaultyFileSystem* files, std::unique_ptr<rocksdb::FSSequentialFile> file)
      : FSSequentialFileOwnerWrapper(std::move(file)), files_(files) {}
  IOStatus Read(std::size_t n, const IOOptions& options, Slice* result, char* scratch,
                IODebugContext* debug) override {
    const IOStatus step = files_->Step({});
    return step.ok() ? FSSequentialFileOwnerWrapper::Read(n, options, result, scratch, debug)
                     : step;
  }

 private:
  FaultyFileSystem* const files_;
};

class FaultyRandomAccessFile final : public rocksdb::FSRandomAccessFileOwnerWrapper {
 public:
  FaultyRandomAccessFile(FaultyFileSystem* files, std::unique_ptr<rocksdb::FSRandomAccessFile> file)
      : FSRandomAccessFileOwnerWrapper(std::move(file)), files_(files) {}
  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions& options, Slice* result,
                char* scratch, IODebugContext* debug) const override {
    const IOStatus step = files_->Step({});
    return step.ok()
               ? FSRandomAccessFileOwnerWrapper::Read(offset, n, options, result, scratch, debug)
               : step;
  }
  IOStatus MultiRead(rocksdb::FSReadRequest* requests, std::size_t count, const IOOptions& options,
                     IODebugContext* debug) override {
    const IOStatus step = files_->Step({});
    if (step.ok())
      return FSRandomAccessFileOwnerWrapper::MultiRead(requests, count, options, debug);
    for (std::size_t i = 0; i < count; ++i) requests[i].status = step;
    return step;
  }

 private:
  FaultyFileSystem* const files_;
};

FaultyFileSystem::FaultyFileSystem(Fault fault, Place place, std::uint64_t index)
    : FileSystemWrapper(rocksdb::FileSystem::Default()),
      fault_(fault),
      place_(place),
      index_(index) {}

std::uint64_t FaultyFileSystem::operations(Place place) const {
  return counts_[static_cast<std::size_t>(place)];
}

IOStatus FaultyFileSystem::Step(std::initializer_list<Place> places) {
  if (frozen_) return IOStatus::IOError("the machine has lost power");
  bool strikes = false;
  const auto count = [&](Place place) {
    const std::uint64_t number = counts_[static_cast<std::size_t>(place)]++;
    strikes |= fault_ != Fault::kNone && place == place_ && number == index_;
  };
  count(Place::kAny);
  for (const Place place : places) {
    if (place != Place::kAny) count(place);
  }
  if (!strikes) return IOStatus::OK();
  struck_ = true;
  switch (fault_) {
    case Fault::kError:
    case Fault::kShortWrite:
      return IOStatus::IOError("injected: input/output error");
    case Fault::kNoSpace:
      return IOStatus::NoSpace("injected: no space left on device");
    case Fault::kKill:
      raise(SIGKILL);
      break;
    case Fault::kNone:
    case Fault::kLyingSync:
      break;
  }
  return IOStatus::OK();
}

void FaultyFileSystem::Synced(const std::string& path, std::uint64_t bytes) {
  absl::MutexLock lock(&mutex_);
  Durable& file = files_[path];
  file.synced = std::max(file.synced, bytes);
}

void FaultyFileSystem::DirectorySynced(const std::string& path) {
  absl::MutexLock lock(&mutex_);
  const auto inside = [&path](const std::string& name) {
    return fs::path(name).parent_path() == fs::path(path + "/").parent_path();
  };
  for (auto& [name, file] : files_) file.in_directory |= inside(name);
  for (auto it = replaced_.begin(); it != replaced_.end();)
    it = inside(it->first) ? replaced_.erase(it) : std::next(it);
}

void FaultyFileSystem::CutPower(std::mt19937* random) {
  absl::MutexLock lock(&mutex_);
  for (const auto& [name, file] : files_) {
    std::error_code error;
    if (!fs::exists(name, error)) continue;
    if (!file.in_directory) {
      fs::remove(name, error);
      continue;
    }
    const std::uint64_t size = fs::file_size(name, error);
    if (size > file.synced)
      fs::resize_file(name, file.synced + (*random)() % (size - file.synced + 1));
  }
  for (const auto& [name, content] : replaced_)
    rocksdb::WriteStringToFile(target(), content, name).PermitUncheckedError();
  files_.clear();
  replaced_.clear();
}

IOStatus FaultyFileSystem::NewSequentialFile(const std::string& path,
                                             const rocksdb::FileOptions& options,
                                             std::unique_ptr<rocksdb::FSSequentialFile>* file,
                                             IODebugContext* debug) {
  if (const IOStatus step = Step({}); !step.ok()) return step;
  std::unique_ptr<rocksdb::FSSequentialFile> plain;
  const IOStatus status = target()->NewSequentialFile(path, options, &plain, debug);
  if (status.ok()) *file = std::make_unique<FaultySequentialFile>(this, std::move(plain));
  return status;
}

IOStatus FaultyFileSystem::NewRandomAccessFile(const std::string& path,
                                               const rocksdb::FileOptions& options,
                                               std::unique_ptr<rocksdb::FSRandomAccessFile>* file,
                                               IODebugContext* debug) {
  if (const IOStatus step = Step({}); !step.ok()) return step;
  std::unique_ptr<rocksdb::FSRandomAccessFile> plain;
  const IOStatus status = target()->NewRandomAccessFile(path, options, &plain, debug);
  if (status.ok()) *file = std::make_unique<FaultyRandomAccessFile>(this, std::move(plain));
  return status;
}

IOStatus FaultyFileSystem::NewWritableFile(const std::string& path,
                                           const rocksdb::FileOptions& options,
                                           std::unique_ptr<rocksdb::FSWritableFile>* file,
                                           IODebugContext* debug) {
  if (const IOStatus step = Step({KindOf(path)}); !step.ok()) return step;
  std::unique_ptr<rocksdb::FSWritableFile> plain;
  const IOStatus status = target()->NewWritableFile(path, options, &plain, debug);
  if (!status.ok()) return status;
  {
    absl::MutexLock lock(&mutex_);
    files_[path] = Durable();
  }
  *file = std::make_unique<FaultyWritableFile>(this, path, std::move(plain));
  return status;
}

IOStatus FaultyFileSystem::NewDirectory(const std::string& path, const IOOptions& options,
                                        std::unique_ptr<rocksdb::FSDirectory>* directory,
                                        IODebugContext* debug) {
  if (const IOStatus step = Step({}); !step.ok()) return step;
  std::unique_ptr<rocksdb::FSDirectory> plain;
  const IOStatus status = target()->NewDirectory(path, options, &plain, debug);
  if (status.ok()) *directory = std::make_unique<FaultyDirectory>(this, path, std::move(plain));
  return status;
}

IOStatus FaultyFileSystem::GetChildren(const std::string& path, const IOOptions& options,
                                       std::vector<std::string>* names, IODebugContext* debug) {
  const IOStatus step = Step({});
  return step.ok() ? target()->GetChildren(path, options, names, debug) : step;
}

IOStatus FaultyFileSystem::GetFileSize(const std::string& path, const IOOptions& options,
                                       std::uint64_t* size, IODebugContext* debug) {
  const IOStatus step = Step({});
  return step.ok() ? target()->GetFileSize(path, options, size, debug) : step;
}

IOStatus FaultyFileSystem::DeleteFile(const std::string& path, const IOOptions& options,
                                      IODebugContext* debug) {
  if (const IOStatus step = Step({Place::kDelete}); !step.ok()) return step;
  const IOStatus status = target()->DeleteFile(path, options, debug);
  absl::MutexLock lock(&mutex_);
  if (status.ok()) files_.erase(path);
  return status;
}

IOStatus FaultyFileSystem::RenameFile(const std::string& from, const std::string& to,
                                      const IOOptions& options, IODebugContext* debug) {
  if (const IOStatus step = Step({Place::kRename}); !step.ok()) return step;
  std::string old;
  std::error_code error;
  const bool replaces = fs::file_size(to, error) < kMaxReplacedBytes && !error &&
                        rocksdb::ReadFileToString(target(), to, &old).ok();
  const IOStatus status = target()->RenameFile(from, to, options, debug);
  if (!status.ok()) return status;
  absl::MutexLock lock(&mutex_);
  if (replaces) replaced_.try_emplace(to, old);
  const auto file = files_.find(from);
  if (file != files_.end()) {
    // The old name's place is taken at once: a file under it is never half there.
    files_[to] = {file->second.synced, replaces};
    files_.erase(file);
  }
  return status;
}

IOStatus FaultyFileSystem::LinkFile(const std::string& from, const std::string& to,
                                    const IOOptions& options, IODebugContext* debug) {
  const IOStatus step = Step({Place::kLink});
  return step.ok() ? target()->LinkFile(from, to, options, debug) : step;
}

}  // namespace ragmesh::vector_store
