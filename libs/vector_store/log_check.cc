#include "libs/vector_store/log_check.h"

#include <rocksdb/file_system.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/vector_store/rocks_status.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::size_t kHeaderBytes = 7;
constexpr int kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4;
constexpr char kNextStep[] =
    "Restore the store from a snapshot; 'ragmesh store check' says what else is damaged.";

using Tables = std::array<std::array<std::uint32_t, 256>, 8>;

// Slicing by 8: table k takes a byte that is k bytes before the end of eight.
constexpr Tables MakeTables() {
  Tables tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0);
    tables[0][i] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k) {
    for (std::size_t i = 0; i < 256; ++i)
      tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xFF];
  }
  return tables;
}
constexpr Tables kTables = MakeTables();

template <typename T>
T Load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// RocksDB stores a CRC turned and shifted, because a CRC over bytes that hold their own CRC is
// weak.
std::uint32_t Unmasked(std::uint32_t masked) {
  const std::uint32_t turned = masked - 0xa282ead8u;
  return (turned >> 17) | (turned << 15);
}

// The type byte and the payload are under the checksum, the length is not.
bool Matches(absl::string_view record, std::size_t length) {
  return Crc32c(record.substr(kHeaderBytes - 1, length + 1)) ==
         Unmasked(Load<std::uint32_t>(record.data()));
}

// A whole record whose length has one bit turned seems to reach beyond the end.
bool IsWholeButForItsLength(absl::string_view rest, std::size_t length) {
  for (int bit = 0; bit < 16; ++bit) {
    const std::size_t other = length ^ (std::size_t{1} << bit);
    if (kHeaderBytes + other <= rest.size() && Matches(rest, other)) return true;
  }
  return false;
}

absl::Status CheckLog(rocksdb::FileSystem* files, const std::string& path) {
  std::unique_ptr<rocksdb::FSSequentialFile> file;
  RAGMESH_RETURN_IF_ERROR(
      FromRocks(files->NewSequentialFile(path, rocksdb::FileOptions(), &file, nullptr), path));
  std::string block;
  std::vector<char> scratch(LogWalk::kBlockBytes);
  LogWalk walk;
  for (bool last = false; !last;) {
    block.clear();
    while (block.size() < LogWalk::kBlockBytes) {
      rocksdb::Slice got;
      RAGMESH_RETURN_IF_ERROR(FromRocks(
          file->Read(LogWalk::kBlockBytes - block.size(), {}, &got, scratch.data(), nullptr),
          path));
      if (got.empty()) break;
      block.append(got.data(), got.size());
    }
    last = block.size() < LogWalk::kBlockBytes;
    if (!walk.Add(block, last)) break;
  }
  return Annotate(walk.status(), path);
}

bool IsLog(const std::string& name) {
  std::uint64_t number;
  return absl::EndsWith(name, ".log") && absl::SimpleAtoi(absl::StripSuffix(name, ".log"), &number);
}

}  // namespace

std::uint32_t Crc32c(absl::string_view bytes, std::uint32_t crc) {
  crc = ~crc;
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, at += 8) {
    const std::uint64_t eight = Load<std::uint64_t>(at) ^ crc;
    crc = 0;
    for (std::size_t k = 0; k < 8; ++k) crc ^= kTables[7 - k][(eight >> (8 * k)) & 0xFF];
  }
  for (; left > 0; --left, ++at)
    crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<unsigned char>(*at)) & 0xFF];
  return ~crc;
}

bool LogWalk::Damaged(std::size_t position, absl::string_view problem) {
  status_ = Corrupt("log", absl::StrCat(problem, " at byte ", offset_ + position), kNextStep);
  return false;
}

bool LogWalk::Add(absl::string_view block, bool last) {
  std::size_t at = 0;
  while (block.size() - at >= kHeaderBytes) {
    const absl::string_view rest = block.substr(at);
    const std::size_t length = Load<std::uint16_t>(rest.data() + 4);
    const int type = static_cast<unsigned char>(rest[6]);
    if (type == 0 && length == 0) {
      // Space that was made and not written: the end, and RocksDB looks no further in this block.
      if (rest.find_first_not_of('\0') != absl::string_view::npos)
        return Damaged(at, "has bytes after an empty record");
      break;
    }
    if (type < kFull || type > kLast) return Damaged(at, "has a record of an unknown type");
    if (kHeaderBytes + length > rest.size()) {
      if (!last) return Damaged(at, "has a record that crosses its block");
      if (IsWholeButForItsLength(rest, length))
        return Damaged(at, "has a record of another length");
      return false;
    }
    if (!Matches(rest, length)) return Damaged(at, "has a record that fails its checksum");
    if (in_record_ != (type == kMiddle || type == kLast))
      return Damaged(at, "has parts of records out of order");
    in_record_ = type == kFirst || type == kMiddle;
    at += kHeaderBytes + length;
  }
  offset_ += block.size();
  return !last;
}

absl::Status CheckLogs(rocksdb::FileSystem* files, const std::string& path) {
  std::vector<std::string> names;
  RAGMESH_RETURN_IF_ERROR(FromRocks(files->GetChildren(path, {}, &names, nullptr), path));
  std::sort(names.begin(), names.end());
  const bool has_current = std::binary_search(names.begin(), names.end(), "CURRENT");
  for (const std::string& name : names) {
    if (!IsLog(name)) continue;
    // The very first start makes CURRENT before any log, so a log alone is what is left of a store.
    if (!has_current)
      return Corrupt(path, absl::StrCat("holds ", name, " but no CURRENT"), kNextStep);
    RAGMESH_RETURN_IF_ERROR(CheckLog(files, absl::StrCat(path, "/", name)));
  }
  if (!has_current) return absl::OkStatus();
  std::string current;
  RAGMESH_RETURN_IF_ERROR(FromRocks(
      rocksdb::ReadFileToString(files, absl::StrCat(path, "/CURRENT"), &current), "CURRENT"));
  const absl::string_view manifest = absl::StripSuffix(current, "\n");
  if (!absl::StartsWith(manifest, "MANIFEST-") ||
      !std::binary_search(names.begin(), names.end(), std::string(manifest))) {
    return Corrupt(absl::StrCat(path, "/CURRENT"), "names no manifest that is there", kNextStep);
  }
  return CheckLog(files, absl::StrCat(path, "/", manifest));
}

}  // namespace ragmesh::vector_store
