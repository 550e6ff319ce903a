#include "libs/generation/passage_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/sha256.h"
#include "libs/base/status_macros.h"
#include "libs/model_files/derived_file.h"
#include "libs/model_store/file_io.h"

namespace ragmesh::generation {
namespace {

// Rises when keys and values come to mean something else.
constexpr char kFormat[] = "ragmesh kept passage 1";
constexpr char kTensor[] = "keys_and_values";
constexpr char kSuffix[] = ".passage.safetensors";
constexpr std::size_t kKeySize = 64;
// Of a file, beside its keys and values: some 400 are used.
constexpr std::size_t kMaxHeaderBytes = 4096;
// Copies of passages that wait for the disk. One passage may be larger.
constexpr std::uint64_t kMaxQueuedBytes = 64 << 20;
constexpr std::size_t kMaxQueuedReads = 1024;
constexpr absl::Duration kPauseAfterFailure = absl::Minutes(1);

bool IsKey(absl::string_view name) {
  return name.size() == kKeySize && std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) || (c >= 'a' && c <= 'f');
         });
}

absl::StatusOr<std::string> ReadFile(const std::string& path, std::size_t max_bytes) {
  const ScopedFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
  struct stat info;
  if (::fstat(file.get(), &info) != 0) return ErrnoError(absl::StrCat("stat ", path), errno);
  if (!S_ISREG(info.st_mode) || static_cast<std::uint64_t>(info.st_size) > max_bytes)
    return Corrupt(path, absl::StrCat("is no file of at most ", max_bytes, " bytes"));
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t more = ::read(file.get(), bytes.data() + got, bytes.size() - got);
    if (more < 0 && errno == EINTR) continue;
    if (more < 0) return ErrnoError(absl::StrCat("read ", path), errno);
    if (more == 0) break;
    got += static_cast<std::size_t>(more);
  }
  bytes.resize(got);
  ::futimens(file.get(), nullptr);  // for the order in which a later run gives files up
  return bytes;
}

}  // namespace

void PassageFolder::Reading::Take(const KvCache& keys) const {
  const std::size_t block = keys.shape().BlockBytes();
  for (std::size_t i = 0; i < content_.size() / block; ++i)
    std::memcpy(keys.Block(i * quant::kBlockPositions), content_.data() + i * block, block);
}

absl::StatusOr<std::unique_ptr<PassageFolder>> PassageFolder::Open(const Options& options,
                                                                   const KvShape& shape) {
  // What was given may be a mount that others look into; what is within is ours alone.
  const std::string path = options.path + "/passages";
  RAGMESH_RETURN_IF_ERROR(model_store::MakeDirectories(path));
  if (::chmod(path.c_str(), 0700) != 0) return ErrnoError(absl::StrCat("chmod ", path), errno);
  ScopedFd lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock.valid()) return ErrnoError(absl::StrCat("open ", path), errno);
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return WrongState("PASSAGE_FOLDER_IN_USE", absl::StrCat(path, " is in use by another process"),
                      "Give each generator a folder of its own.");
  }
  auto folder =
      std::unique_ptr<PassageFolder>(new PassageFolder(options, path, shape, std::move(lock)));
  RAGMESH_RETURN_IF_ERROR(folder->Scan());
  return folder;
}

PassageFolder::PassageFolder(const Options& options, std::string path, const KvShape& shape,
                             ScopedFd lock)
    : options_(options),
      path_(std::move(path)),
      shape_(shape),
      lock_(std::move(lock)),
      counts_(options.counts != nullptr ? options.counts : std::make_shared<PassageCounts>()),
      reader_("passage-read", 1, kMaxQueuedReads),
      writer_("passage-write", 1, kMaxQueuedReads) {
  // Answers that are being written need the processors more. Where it is refused, nothing is lost.
  writer_.TrySubmit([] { ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), 10); });
}

PassageFolder::~PassageFolder() = default;

absl::Status PassageFolder::Scan() {
  std::error_code error;
  std::vector<std::tuple<std::filesystem::file_time_type, std::string, std::uint64_t>> found;
  for (std::filesystem::directory_iterator entry(path_, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    const absl::string_view key = absl::string_view(name).substr(0, kKeySize);
    const absl::string_view rest = absl::string_view(name).substr(key.size());
    if (!IsKey(key) || !absl::StartsWith(rest, kSuffix)) continue;
    std::error_code gone;
    if (rest != kSuffix) {  // an interrupted writer's
      std::filesystem::remove(entry->path(), gone);
      continue;
    }
    const auto time = entry->last_write_time(gone);
    const std::uint64_t bytes = entry->file_size(gone);
    if (!gone) found.emplace_back(time, key, bytes);
  }
  if (error) return ErrnoError(absl::StrCat("list ", path_), error.value());
  std::sort(found.begin(), found.end());
  {
    absl::MutexLock lock(&mutex_);
    for (const auto& [time, key, bytes] : found) Enter(key, bytes);
  }
  MakeRoom(0);
  return absl::OkStatus();
}

std::string PassageFolder::PathOf(absl::string_view key) const {
  return absl::StrCat(path_, "/", key, kSuffix);
}

std::string PassageFolder::Key(absl::string_view tenant,
                               absl::Span<const std::uint32_t> tokens) const {
  Sha256 digest;
  // Each part ends where its length says, so that no two lists of parts are alike.
  for (const absl::string_view part :
       {absl::string_view(kFormat), absl::string_view(options_.source), tenant}) {
    digest.Update(absl::StrCat(part.size(), ":"));
    digest.Update(part);
  }
  digest.Update(absl::StrCat(shape_.layers, "x", shape_.heads, "x", shape_.head_dim, "x",
                             static_cast<int>(shape_.type), ":"));
  digest.Update({reinterpret_cast<const char*>(tokens.data()), 4 * tokens.size()});
  return digest.HexDigest();
}

std::shared_ptr<PassageFolder::Reading> PassageFolder::Read(const std::string& key,
                                                            std::size_t blocks,
                                                            absl::AnyInvocable<void()> on_end) {
  {
    absl::MutexLock lock(&mutex_);
    if (!files_.contains(key)) {
      ++counts_->misses;
      return nullptr;
    }
  }
  Touch(key);
  auto reading = std::make_shared<Reading>(std::move(on_end));
  const bool accepted = reader_.TrySubmit([this, key, blocks, reading] {
    if (reading.use_count() > 1) Load(key, blocks, reading.get());
    reading->ended_.store(true, std::memory_order_release);
    reading->on_end_();
  });
  return accepted ? reading : nullptr;
}

void PassageFolder::Load(const std::string& key, std::size_t blocks, Reading* reading) {
  const std::string path = PathOf(key);
  const std::size_t size = blocks * shape_.BlockBytes();
  absl::StatusOr<std::string> file = ReadFile(path, size + kMaxHeaderBytes);
  absl::Status status = file.status();
  if (status.ok()) {
    reading->file_ = *std::move(file);
    const auto content = Check(key, size, reading->file_);
    status = content.status();
    if (status.ok()) {
      reading->content_ = *content;
      ++counts_->hits;
      counts_->bytes_read += reading->file_.size();
      return;
    }
  }
  {
    absl::MutexLock lock(&mutex_);
    Forget(key);
  }
  if (absl::IsNotFound(status)) {
    ++counts_->misses;
  } else if (absl::IsDataLoss(status) || absl::IsFailedPrecondition(status)) {
    ++counts_->damaged;
    ::unlink(path.c_str());
    Report(status);
  } else {
    ++counts_->read_failed;
    Report(status);
  }
}

absl::StatusOr<absl::string_view> PassageFolder::Check(const std::string& key, std::size_t bytes,
                                                       absl::string_view file) const {
  const std::string path = PathOf(key);
  RAGMESH_ASSIGN_OR_RETURN(
      const auto parsed,
      model_files::ParseDerived(file, path, {{"format", kFormat}, {"passage", key}}));
  const model_files::Tensor* tensor = parsed->Find(kTensor);
  if (tensor != nullptr && tensor->bytes.size() == bytes) return tensor->bytes;
  return Corrupt(path, absl::StrCat("does not hold ", bytes, " bytes of keys and values"));
}

void PassageFolder::Write(const std::string& key, const KvCache& keys) {
  const std::size_t block = shape_.BlockBytes();
  const std::uint64_t bytes = keys.ids().size() * block;
  {
    absl::MutexLock lock(&mutex_);
    if (files_.contains(key) || bytes + kMaxHeaderBytes > options_.max_bytes) return;
    if ((queued_ > 0 && queued_bytes_ + bytes > kMaxQueuedBytes) ||
        absl::Now() < no_writes_until_) {
      ++counts_->write_skipped;
      return;
    }
    ++queued_;
    queued_bytes_ += bytes;
  }
  std::string content;
  content.reserve(bytes);
  for (std::size_t i = 0; i < keys.ids().size(); ++i)
    content.append(reinterpret_cast<const char*>(keys.blocks()[i]), block);
  const bool accepted = writer_.TrySubmit([this, key, content = std::move(content)] {
    Save(key, content);
    absl::MutexLock lock(&mutex_);
    --queued_;
    queued_bytes_ -= content.size();
  });
  if (accepted) return;
  ++counts_->write_skipped;
  absl::MutexLock lock(&mutex_);
  --queued_;
  queued_bytes_ -= bytes;
}

void PassageFolder::Save(const std::string& key, absl::string_view content) {
  {
    absl::MutexLock lock(&mutex_);
    if (files_.contains(key) || absl::Now() < no_writes_until_) return;
  }
  MakeRoom(content.size() + kMaxHeaderBytes);
  const std::string path = PathOf(key);
  absl::Status status = model_files::WriteDerived(
      path, {{kTensor, model_files::Dtype::kU8, {content.size()}, content}},
      {{"format", kFormat}, {"passage", key}});
  struct stat info;
  if (status.ok() && ::stat(path.c_str(), &info) != 0)
    status = ErrnoError(absl::StrCat("stat ", path), errno);
  bool was_well = false;
  {
    absl::MutexLock lock(&mutex_);
    was_well = std::exchange(writes_well_, status.ok());
    if (status.ok()) {
      Enter(key, static_cast<std::uint64_t>(info.st_size));
      ++counts_->written;
      counts_->bytes_written += static_cast<std::uint64_t>(info.st_size);
      return;
    }
    no_writes_until_ = absl::Now() + kPauseAfterFailure;
  }
  ++counts_->write_failed;
  if (was_well) Report(status);
}

// Removes what was used longest ago until `bytes` more fit the budget.
void PassageFolder::MakeRoom(std::uint64_t bytes) {
  while (true) {
    std::string key;
    {
      absl::MutexLock lock(&mutex_);
      if (recent_.empty() || counts_->bytes + bytes <= options_.max_bytes) return;
      key = recent_.back();
      Forget(key);
    }
    ::unlink(PathOf(key).c_str());
  }
}

void PassageFolder::Touch(const std::string& key) {
  absl::MutexLock lock(&mutex_);
  const auto file = files_.find(key);
  if (file != files_.end()) recent_.splice(recent_.begin(), recent_, file->second.place);
}

void PassageFolder::Enter(const std::string& key, std::uint64_t bytes) {
  Forget(key);
  recent_.push_front(key);
  files_[key] = {bytes, recent_.begin()};
  counts_->bytes += bytes;
}

void PassageFolder::Forget(const std::string& key) {
  const auto file = files_.find(key);
  if (file == files_.end()) return;
  counts_->bytes -= file->second.bytes;
  recent_.erase(file->second.place);
  files_.erase(file);
}

void PassageFolder::Report(const absl::Status& why) const {
  if (options_.on_fault) options_.on_fault(why);
}

void PassageFolder::Flush() {
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](std::size_t* queued) { return *queued == 0; }, &queued_));
}

}  // namespace ragmesh::generation
