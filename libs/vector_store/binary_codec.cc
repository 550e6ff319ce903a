#include "libs/vector_store/binary_codec.h"

#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/crc32.h"
#include "libs/base/error.h"

namespace ragmesh::vector_store {
namespace {

static_assert(std::endian::native == std::endian::little,
              "numbers are copied as they lie in memory");

constexpr std::size_t kHeaderBytes = 2;
constexpr std::size_t kChecksumBytes = 4;

template <typename T>
void AppendRaw(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <typename T>
T FromRaw(absl::string_view bytes) {
  T value{};
  if (bytes.size() == sizeof(value)) std::memcpy(&value, bytes.data(), sizeof(value));
  return value;
}

std::string KindName(RecordKind kind) {
  return absl::StrCat("record '", std::string(1, static_cast<char>(kind)), "'");
}

}  // namespace

void BinaryWriter::U32(std::uint32_t value) { AppendRaw(value, out_); }
void BinaryWriter::U64(std::uint64_t value) { AppendRaw(value, out_); }
void BinaryWriter::F64(double value) { AppendRaw(value, out_); }

void BinaryWriter::Bytes(absl::string_view value) {
  Varint(value.size());
  out_->append(value.data(), value.size());
}

void BinaryWriter::Strings(absl::Span<const std::string> values) {
  Varint(values.size());
  for (const std::string& value : values) Bytes(value);
}

void BinaryWriter::Floats(absl::Span<const float> values) {
  U32(static_cast<std::uint32_t>(values.size()));
  out_->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

absl::string_view BinaryReader::Take(std::size_t size) {
  if (failed_ || size > in_.size()) {
    failed_ = true;
    return {};
  }
  const absl::string_view taken = in_.substr(0, size);
  in_.remove_prefix(size);
  return taken;
}

std::uint8_t BinaryReader::U8() { return FromRaw<std::uint8_t>(Take(1)); }
std::uint32_t BinaryReader::U32() { return FromRaw<std::uint32_t>(Take(4)); }
std::uint64_t BinaryReader::U64() { return FromRaw<std::uint64_t>(Take(8)); }
double BinaryReader::F64() { return FromRaw<double>(Take(8)); }

std::uint64_t BinaryReader::Varint() {
  std::uint64_t value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    const std::uint8_t byte = U8();
    if (failed_) return 0;
    if (shift == 63 && byte > 1) break;  // over 64 bits
    value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
  failed_ = true;
  return 0;
}

std::uint32_t BinaryReader::Varint32() {
  const std::uint64_t value = Varint();
  if (value > 0xFFFFFFFFu) failed_ = true;
  return failed_ ? 0 : static_cast<std::uint32_t>(value);
}

bool BinaryReader::Bool() {
  const std::uint8_t value = U8();
  if (value > 1) failed_ = true;
  return value == 1 && !failed_;
}

absl::string_view BinaryReader::Bytes() {
  const std::uint64_t size = Varint();
  if (size > in_.size()) failed_ = true;
  return failed_ ? absl::string_view() : Take(static_cast<std::size_t>(size));
}

std::size_t BinaryReader::Count(std::size_t item_bytes) {
  const std::uint64_t count = Varint();
  if (count > in_.size() / item_bytes) failed_ = true;
  return failed_ ? 0 : static_cast<std::size_t>(count);
}

std::vector<std::string> BinaryReader::Strings() {
  std::vector<std::string> values;
  const std::size_t count = Count(1);
  for (std::size_t i = 0; i < count && !failed_; ++i) values.push_back(String());
  return values;
}

std::vector<float> BinaryReader::Floats() {
  const std::uint32_t count = U32();
  if (count > in_.size() / sizeof(float)) failed_ = true;
  std::vector<float> values(failed_ ? 0 : count);
  const absl::string_view bytes = Take(values.size() * sizeof(float));
  if (!values.empty() && !failed_) std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

std::string Seal(RecordKind kind, std::uint8_t version, absl::string_view payload) {
  std::string value;
  value.reserve(kHeaderBytes + payload.size() + kChecksumBytes);
  const std::size_t begin = BeginSealed(kind, version, &value);
  value.append(payload.data(), payload.size());
  EndSealed(begin, &value);
  return value;
}

std::size_t BeginSealed(RecordKind kind, std::uint8_t version, std::string* out) {
  const std::size_t begin = out->size();
  out->push_back(static_cast<char>(kind));
  out->push_back(static_cast<char>(version));
  return begin;
}

void EndSealed(std::size_t begin, std::string* out) {
  AppendRaw(Crc32(absl::string_view(*out).substr(begin)), out);
}

absl::StatusOr<absl::string_view> Unseal(RecordKind kind, std::uint8_t newest_version,
                                         absl::string_view value) {
  if (value.size() < kHeaderBytes + kChecksumBytes) return Corrupt(KindName(kind), "is truncated");
  const absl::string_view body = value.substr(0, value.size() - kChecksumBytes);
  if (Crc32(body) != FromRaw<std::uint32_t>(value.substr(body.size()))) {
    return Corrupt(KindName(kind), "does not match its checksum",
                   "Restore the store from a snapshot.");
  }
  if (body[0] != static_cast<char>(kind))
    return Corrupt(KindName(kind), "holds another kind of record");
  const auto version = static_cast<std::uint8_t>(body[1]);
  if (version == 0 || version > newest_version) {
    return WrongState("NEWER_FORMAT",
                      absl::StrCat(KindName(kind), " has version ", version,
                                   ", this build reads up to ", newest_version),
                      "Use the release that wrote the store, or a later one.");
  }
  return body.substr(kHeaderBytes);
}

}  // namespace ragmesh::vector_store
