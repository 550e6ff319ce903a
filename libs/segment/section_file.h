// Files of named parts that are written once, from front to back, and then mapped: what searches
// run on. Each 64 KiB has a digest, so that a flipped bit is found before it can give a wrong
// answer. docs/formats/segments.md has the layout.
#ifndef RAGMESH_LIBS_SEGMENT_SECTION_FILE_H_
#define RAGMESH_LIBS_SEGMENT_SECTION_FILE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/mapped_file.h"
#include "libs/base/scoped_fd.h"

namespace ragmesh::segment {

// Writes one file. Not thread-safe. A file that was not finished has no end by which it could be
// opened, and is removed with the object.
class SectionWriter {
 public:
  // The file must not exist yet.
  static absl::StatusOr<std::unique_ptr<SectionWriter>> Create(const std::string& path);
  ~SectionWriter();
  SectionWriter(const SectionWriter&) = delete;
  SectionWriter& operator=(const SectionWriter&) = delete;

  // What is appended from now on is section `name`: 1 to 16 bytes, no name twice. Sections begin at
  // multiples of 64 bytes.
  absl::Status Begin(absl::string_view name);
  absl::Status Append(absl::string_view bytes);
  // Writes directory and digests, and returns when all of it is on disk. The folder's own entry is
  // the caller's to sync.
  absl::Status Finish();

  std::uint64_t size() const { return offset_ + buffer_.size(); }

 private:
  struct Section {
    std::string name;
    std::uint64_t offset, size;
  };

  SectionWriter(std::string path, int fd);
  absl::Status Flush();
  absl::Status WriteAll(absl::string_view bytes);
  void EndSection();

  const std::string path_;
  ScopedFd fd_;
  bool finished_ = false;
  std::string buffer_;        // less than a block, after Flush
  std::uint64_t offset_ = 0;  // of the buffer in the file
  std::vector<Section> sections_;
  std::vector<std::uint64_t> digests_;
};

// An open file. Thread-safe.
class SectionFile {
 public:
  // Checks the end of the file and its directory. DATA_LOSS / CORRUPT_DATA when they are damaged;
  // FAILED_PRECONDITION / NEWER_FORMAT when a later release wrote it.
  static absl::StatusOr<std::shared_ptr<const SectionFile>> Open(const std::string& path);

  // DATA_LOSS / CORRUPT_DATA when there is no such section. The bytes are not checked yet.
  absl::StatusOr<absl::string_view> Section(absl::string_view name) const;

  // Holds `bytes`, a part of this file, against their digests; what has been checked before is not
  // read again. DATA_LOSS / CORRUPT_DATA names the file and the place.
  absl::Status Check(absl::string_view bytes) const;

  // Check, and a copy to `out`, both without taking the file's pages into this process's memory.
  absl::Status Read(absl::string_view bytes, char* out) const;

  // MappedFile::Release of all bytes.
  void ReleaseAll() const { file_->Release(file_->bytes()); }

  std::uint64_t size_bytes() const { return file_->bytes().size(); }
  // Of the digests of all its bytes: which file this is.
  std::uint64_t digest() const { return digest_; }
  const std::string& path() const { return file_->path(); }

 private:
  SectionFile() = default;
  // Gives each block of `bytes` that has not been checked to `content`, which returns where its
  // bytes are.
  absl::Status CheckBlocks(
      absl::string_view bytes,
      absl::FunctionRef<absl::StatusOr<const char*>(absl::string_view block)> content) const;

  std::shared_ptr<const MappedFile> file_;
  std::uint64_t data_size_ = 0;
  std::uint64_t digest_ = 0;
  struct Part {
    std::string name;
    absl::string_view bytes;
  };
  std::vector<Part> sections_;
  std::vector<std::uint64_t> digests_;
  // A bit for each block that has been found good.
  mutable std::vector<std::atomic<std::uint64_t>> checked_;
};

}  // namespace ragmesh::segment

#endif  // RAGMESH_LIBS_SEGMENT_SECTION_FILE_H_
