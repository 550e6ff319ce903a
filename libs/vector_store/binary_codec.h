// Bytes in, bytes out: the small binary language of everything the store keeps. Little-endian,
// lengths first, a checksum last; docs/formats/vector-store.md has the layouts.
#ifndef RAGMESH_LIBS_VECTOR_STORE_BINARY_CODEC_H_
#define RAGMESH_LIBS_VECTOR_STORE_BINARY_CODEC_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::vector_store {

// 7 bits a byte, lowest first. PutVarint writes where there is room for kMaxVarint bytes, and
// returns what lies behind.
inline constexpr std::size_t kMaxVarint = 10;
inline char* PutVarint(std::uint64_t value, char* at) {
  for (; value >= 0x80; value >>= 7) *at++ = static_cast<char>(value | 0x80);
  *at++ = static_cast<char>(value);
  return at;
}

// Appends values to a string, its own or a borrowed one. Not thread-safe.
class BinaryWriter {
 public:
  BinaryWriter() : out_(&own_) {}
  explicit BinaryWriter(std::string* out) : out_(out) {}
  BinaryWriter(const BinaryWriter&) = delete;
  BinaryWriter& operator=(const BinaryWriter&) = delete;

  void U8(std::uint8_t value) { out_->push_back(static_cast<char>(value)); }
  void U32(std::uint32_t value);
  void U64(std::uint64_t value);
  void F64(double value);
  void Varint(std::uint64_t value) {
    char bytes[kMaxVarint];
    out_->append(bytes, static_cast<std::size_t>(PutVarint(value, bytes) - bytes));
  }
  void Bytes(absl::string_view value);                 // varint length, then the bytes
  void Strings(absl::Span<const std::string> values);  // varint count, then each as Bytes
  void Floats(absl::Span<const float> values);         // u32 count, then 4 bytes each

  std::string Take() { return std::move(*out_); }
  absl::string_view bytes() const { return *out_; }

 private:
  std::string own_;
  std::string* const out_;
};

// Reads what a BinaryWriter wrote. Bytes that do not fit set failed() and read as zero or empty
// from then on; no length is believed before it was held against what is left, so hostile bytes
// cannot make it allocate more than their own size. Views die with the input.
class BinaryReader {
 public:
  explicit BinaryReader(absl::string_view bytes) : in_(bytes) {}

  std::uint8_t U8();
  std::uint32_t U32();
  std::uint64_t U64();
  double F64();
  std::uint64_t Varint();
  std::uint32_t Varint32();  // fails above 2^32 - 1
  bool Bool();               // fails on other than 0 and 1
  absl::string_view Bytes();
  std::string String() { return std::string(Bytes()); }
  std::vector<std::string> Strings();
  std::vector<float> Floats();
  // A count of items that take at least `item_bytes` each, so it fails when the rest cannot hold
  // them.
  std::size_t Count(std::size_t item_bytes);

  void Fail() { failed_ = true; }
  bool failed() const { return failed_; }
  bool at_end() const { return in_.empty(); }

 private:
  absl::string_view Take(std::size_t size);

  absl::string_view in_;
  bool failed_ = false;
};

// What a stored value holds; the first byte of it.
enum class RecordKind : std::uint8_t {
  kFormat = 'F',
  kCounter = 'N',
  kCollection = 'C',
  kState = 'S',
  kDocument = 'D',
  kText = 'T',
  kChunk = 'K',
  kIndexEntry = 'I',
  kVector = 'V',
  kTokens = 'W',
  kReplay = 'R',
  kAlias = 'A',
  kPageToken = 'P',
  kParts = 'G',
  kArchiveHead = 'H',
  kArchiveEntry = 'L',
};

// kind, version, payload, CRC-32 of all before it.
std::string Seal(RecordKind kind, std::uint8_t version, absl::string_view payload);
// The same where it is to stand: what is appended between the two calls is the payload.
// BeginSealed returns where the value begins, for EndSealed.
std::size_t BeginSealed(RecordKind kind, std::uint8_t version, std::string* out);
void EndSealed(std::size_t begin, std::string* out);

// The payload of a sealed value, as a view into it. DATA_LOSS / CORRUPT_DATA when the kind or
// checksum is wrong; FAILED_PRECONDITION / NEWER_FORMAT when its version is above `newest_version`.
absl::StatusOr<absl::string_view> Unseal(RecordKind kind, std::uint8_t newest_version,
                                         absl::string_view value);

// The version of a value that Unseal has accepted.
inline std::uint8_t VersionOf(absl::string_view value) {
  return static_cast<std::uint8_t>(value[1]);
}

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_BINARY_CODEC_H_
