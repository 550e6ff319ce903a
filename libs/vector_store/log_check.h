// Looks at RocksDB's logs (the write-ahead logs and the manifest) before RocksDB does.
//
// RocksDB takes some damage for the end of a log: a record whose length points beyond the file, or
// whose type bit says that the file is a recycled one. What comes after would be dropped without a
// word, although it was acknowledged. This walk tells such damage from what a crash leaves, the
// first part of a record at the very end. Frame of a log: blocks of 32 KiB, records of CRC-32C,
// length u16, type u8 and payload (RocksDB wiki, "Write Ahead Log File Format").
#ifndef RAGMESH_LIBS_VECTOR_STORE_LOG_CHECK_H_
#define RAGMESH_LIBS_VECTOR_STORE_LOG_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rocksdb {
class FileSystem;
}

namespace ragmesh::vector_store {

// CRC-32C (Castagnoli) of `bytes`, going on from `crc`.
std::uint32_t Crc32c(absl::string_view bytes, std::uint32_t crc = 0);

// Walks log files a block at a time, in order. Not thread-safe.
class LogWalk {
 public:
  // The next up to kBlockBytes of the file; fewer only at its end. `last`: the file ends with them.
  // False once the log has come to its end, which is where a crash cut it, or what it says is
  // nonsense: see status().
  bool Add(absl::string_view block, bool last);
  // DATA_LOSS / CORRUPT_DATA when there is damage that no crash leaves.
  const absl::Status& status() const { return status_; }

  static constexpr std::size_t kBlockBytes = 32 << 10;

 private:
  bool Damaged(std::size_t position, absl::string_view problem);

  absl::Status status_;
  bool in_record_ = false;  // the first part of a record has been seen, its last has not
  std::uint64_t offset_ = 0;
};

// Walks the manifest that CURRENT names and every write-ahead log in the directory `path`. OK when
// there is no store yet. DATA_LOSS / CORRUPT_DATA names the file and the place; other errors are
// those of reading.
absl::Status CheckLogs(rocksdb::FileSystem* files, const std::string& path);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_LOG_CHECK_H_
