#include "libs/segment/section_file.h"

#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/check.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::segment {
namespace {

constexpr std::uint64_t kBlockBytes = 64u << 10;  // of one digest
constexpr std::uint64_t kBufferBytes = 1u << 20;  // of one write; a multiple of kBlockBytes
constexpr std::uint64_t kLine = 64;
constexpr std::uint32_t kVersion = 1;
constexpr char kMagic[8] = {'r', 'm', 's', 'e', 'c', 't', 's', '\n'};
constexpr std::size_t kMaxSections = 256;
constexpr std::size_t kNameBytes = 16;

struct DirectoryEntry {
  char name[kNameBytes];  // zeros behind it
  std::uint64_t offset;
  std::uint64_t size;
};
static_assert(sizeof(DirectoryEntry) == 32);

// The last bytes of a file.
struct Footer {
  std::uint64_t data_size;  // the directory follows, then the digests
  std::uint32_t sections;
  std::uint32_t version;
  std::uint64_t digest;  // of directory, digests and the footer before this field
  char magic[8];
};
static_assert(sizeof(Footer) == 32);

std::uint64_t Digest(const void* data, std::size_t size) { return XXH3_64bits(data, size); }

std::uint64_t Blocks(std::uint64_t bytes) { return (bytes + kBlockBytes - 1) / kBlockBytes; }

}  // namespace

SectionWriter::SectionWriter(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

SectionWriter::~SectionWriter() {
  if (!finished_) unlink(path_.c_str());
}

absl::StatusOr<std::unique_ptr<SectionWriter>> SectionWriter::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoError(absl::StrCat("create ", path), errno);
  return std::unique_ptr<SectionWriter>(new SectionWriter(path, fd));
}

absl::Status SectionWriter::WriteAll(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoError(absl::StrCat("write ", path_), errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return absl::OkStatus();
}

// Writes the whole blocks of the buffer.
absl::Status SectionWriter::Flush() {
  const std::size_t whole = buffer_.size() / kBlockBytes * kBlockBytes;
  for (std::size_t at = 0; at < whole; at += kBlockBytes)
    digests_.push_back(Digest(buffer_.data() + at, kBlockBytes));
  RAGMESH_RETURN_IF_ERROR(WriteAll(absl::string_view(buffer_).substr(0, whole)));
  buffer_.erase(0, whole);
  offset_ += whole;
  return absl::OkStatus();
}

void SectionWriter::EndSection() {
  if (!sections_.empty()) sections_.back().size = size() - sections_.back().offset;
  buffer_.append((kLine - buffer_.size() % kLine) % kLine, '\0');
}

absl::Status SectionWriter::Begin(absl::string_view name) {
  RAGMESH_CHECK(!name.empty() && name.size() <= kNameBytes && sections_.size() < kMaxSections,
                "a section's name fits the directory");
  EndSection();
  sections_.push_back({std::string(name), size(), 0});
  return absl::OkStatus();
}

absl::Status SectionWriter::Append(absl::string_view bytes) {
  RAGMESH_CHECK(!sections_.empty() && !finished_, "bytes belong to a section");
  while (!bytes.empty()) {
    const std::size_t taken = std::min<std::size_t>(bytes.size(), kBufferBytes - buffer_.size());
    buffer_.append(bytes.data(), taken);
    bytes.remove_prefix(taken);
    if (buffer_.size() == kBufferBytes) RAGMESH_RETURN_IF_ERROR(Flush());
  }
  return absl::OkStatus();
}

absl::Status SectionWriter::Finish() {
  EndSection();
  RAGMESH_RETURN_IF_ERROR(Flush());
  if (!buffer_.empty()) digests_.push_back(Digest(buffer_.data(), buffer_.size()));
  Footer footer = {.data_size = size(),
                   .sections = static_cast<std::uint32_t>(sections_.size()),
                   .version = kVersion,
                   .digest = 0,
                   .magic = {}};
  std::string end;
  for (const Section& section : sections_) {
    DirectoryEntry entry = {{}, section.offset, section.size};
    std::memcpy(entry.name, section.name.data(), section.name.size());
    end.append(reinterpret_cast<const char*>(&entry), sizeof(entry));
  }
  end.append(reinterpret_cast<const char*>(digests_.data()),
             digests_.size() * sizeof(std::uint64_t));
  end.append(reinterpret_cast<const char*>(&footer), offsetof(Footer, digest));
  footer.digest = Digest(end.data(), end.size());
  end.append(reinterpret_cast<const char*>(&footer.digest), sizeof(footer.digest));
  end.append(kMagic, sizeof(kMagic));
  RAGMESH_RETURN_IF_ERROR(WriteAll(buffer_));
  RAGMESH_RETURN_IF_ERROR(WriteAll(end));
  if (fsync(fd_.get()) != 0) return ErrnoError(absl::StrCat("sync ", path_), errno);
  finished_ = true;
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const SectionFile>> SectionFile::Open(const std::string& path) {
  std::shared_ptr<SectionFile> file(new SectionFile());
  RAGMESH_ASSIGN_OR_RETURN(file->file_, MappedFile::Open(path));
  const absl::string_view bytes = file->file_->bytes();
  const auto damaged = [&path](absl::string_view problem) { return Corrupt(path, problem); };
  Footer footer;
  if (bytes.size() < sizeof(footer)) return damaged("is cut off");
  std::memcpy(&footer, bytes.data() + bytes.size() - sizeof(footer), sizeof(footer));
  if (std::memcmp(footer.magic, kMagic, sizeof(kMagic)) != 0)
    return damaged("does not end like a file of sections");
  if (footer.version > kVersion) {
    return WrongState(
        "NEWER_FORMAT",
        absl::StrCat(path, " has format ", footer.version, ", this build reads up to ", kVersion),
        "Use the release that wrote it, or a later one.");
  }
  // Each of the three is bounded by the size of the file before they are added up.
  const std::uint64_t end_size = bytes.size() - sizeof(footer);
  if (footer.data_size > end_size || footer.sections > kMaxSections)
    return damaged("has impossible sizes");
  const std::uint64_t directory_size = footer.sections * sizeof(DirectoryEntry);
  const std::uint64_t blocks = Blocks(footer.data_size);
  if (end_size - footer.data_size != directory_size + blocks * sizeof(std::uint64_t))
    return damaged("has impossible sizes");
  const absl::string_view end =
      bytes.substr(footer.data_size, end_size - footer.data_size + offsetof(Footer, digest));
  if (Digest(end.data(), end.size()) != footer.digest) return damaged("has a damaged directory");

  file->data_size_ = footer.data_size;
  file->digest_ = footer.digest;
  for (std::uint32_t i = 0; i < footer.sections; ++i) {
    DirectoryEntry entry;
    std::memcpy(&entry, end.data() + i * sizeof(entry), sizeof(entry));
    if (entry.offset % kLine != 0 || entry.offset > footer.data_size ||
        entry.size > footer.data_size - entry.offset)
      return damaged("has a section outside of it");
    file->sections_.push_back({std::string(entry.name, strnlen(entry.name, kNameBytes)),
                               bytes.substr(entry.offset, entry.size)});
  }
  file->digests_.resize(blocks);
  std::memcpy(file->digests_.data(), end.data() + directory_size, blocks * sizeof(std::uint64_t));
  file->checked_ = std::vector<std::atomic<std::uint64_t>>((blocks + 63) / 64);
  return std::shared_ptr<const SectionFile>(std::move(file));
}

absl::StatusOr<absl::string_view> SectionFile::Section(absl::string_view name) const {
  for (const Part& section : sections_) {
    if (section.name == name) return section.bytes;
  }
  return Corrupt(path(), absl::StrCat("has no section ", name));
}

absl::Status SectionFile::CheckBlocks(
    absl::string_view bytes,
    absl::FunctionRef<absl::StatusOr<const char*>(absl::string_view block)> content) const {
  if (bytes.empty()) return absl::OkStatus();
  const absl::string_view all = file_->bytes();
  RAGMESH_CHECK(
      bytes.data() >= all.data() && bytes.data() + bytes.size() <= all.data() + data_size_,
      "only bytes of sections can be checked");
  const auto first = static_cast<std::uint64_t>(bytes.data() - all.data()) / kBlockBytes;
  const auto last =
      static_cast<std::uint64_t>(bytes.data() + bytes.size() - 1 - all.data()) / kBlockBytes;
  for (std::uint64_t block = first; block <= last; ++block) {
    std::atomic<std::uint64_t>& word = checked_[block / 64];
    const std::uint64_t bit = std::uint64_t{1} << (block % 64);
    if ((word.load(std::memory_order_acquire) & bit) != 0) continue;
    const std::uint64_t at = block * kBlockBytes;
    const std::uint64_t size = std::min(kBlockBytes, data_size_ - at);
    RAGMESH_ASSIGN_OR_RETURN(const char* const data, content(all.substr(at, size)));
    if (Digest(data, size) != digests_[block])
      return Corrupt(path(), absl::StrCat("is damaged in the ", kBlockBytes, " bytes from ", at),
                     "Stop the store and run 'ragmesh store check --repair': the file is derived, "
                     "and made anew.");
    word.fetch_or(bit, std::memory_order_release);
  }
  return absl::OkStatus();
}

absl::Status SectionFile::Check(absl::string_view bytes) const {
  return CheckBlocks(bytes, [](absl::string_view block) { return block.data(); });
}

absl::Status SectionFile::Read(absl::string_view bytes, char* out) const {
  std::string copy;
  RAGMESH_RETURN_IF_ERROR(
      CheckBlocks(bytes, [&](absl::string_view block) -> absl::StatusOr<const char*> {
        copy.resize(block.size());
        RAGMESH_RETURN_IF_ERROR(file_->Read(block, copy.data()));
        return copy.data();
      }));
  return file_->Read(bytes, out);
}

}  // namespace ragmesh::segment
