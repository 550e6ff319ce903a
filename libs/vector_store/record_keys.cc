#include "libs/vector_store/record_keys.h"

#include "libs/base/error.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint64_t kSignBit = std::uint64_t{1}
                                   << 63;  // turned, so that years before 1970 sort

void PutBigEndian(std::uint64_t value, int bytes, std::string* out) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    out->push_back(static_cast<char>(value >> shift));
}

std::uint64_t TakeBigEndian(absl::string_view bytes) {
  std::uint64_t value = 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

}  // namespace

std::string CollectionKey(std::uint32_t collection) {
  std::string key;
  PutBigEndian(collection, 4, &key);
  return key;
}

std::string ItemKey(std::uint32_t collection, std::uint64_t number) {
  std::string key = CollectionKey(collection);
  PutBigEndian(number, 8, &key);
  return key;
}

std::string DroppedKey(std::uint32_t collection) {
  return kDroppedPrefix + CollectionKey(collection);
}

std::string ExpiryPrefix(std::uint32_t collection) {
  return kExpiresPrefix + CollectionKey(collection);
}

std::string ExpiryKey(std::uint32_t collection, absl::Time expires, std::uint64_t document) {
  std::string key = ExpiryPrefix(collection);
  const std::int64_t seconds =
      absl::ToUnixSeconds(expires + absl::Seconds(1) - absl::Nanoseconds(1));
  PutBigEndian(static_cast<std::uint64_t>(seconds) ^ kSignBit, 8, &key);
  PutBigEndian(document, 8, &key);
  return key;
}

absl::StatusOr<Expiry> ParseExpiryKey(absl::string_view key) {
  constexpr std::size_t kPrefixBytes = sizeof(kExpiresPrefix) - 1 + 4;
  if (key.size() != kPrefixBytes + 16) return Corrupt("expiry key", "is not 28 bytes long");
  key.remove_prefix(kPrefixBytes);
  const auto seconds = static_cast<std::int64_t>(TakeBigEndian(key.substr(0, 8)) ^ kSignBit);
  return Expiry{absl::FromUnixSeconds(seconds), TakeBigEndian(key.substr(8))};
}

std::string ReplayKey(std::uint32_t collection, absl::string_view key) {
  return CollectionKey(collection).append(key.data(), key.size());
}

absl::StatusOr<std::string> ParseReplayKey(absl::string_view key) {
  if (key.size() < 5) return Corrupt("replay key", "is shorter than 5 bytes");
  return std::string(key.substr(4));
}

absl::StatusOr<std::uint32_t> ParseCollectionKey(absl::string_view key) {
  if (key.size() != 4) return Corrupt("collection key", "is not 4 bytes long");
  return static_cast<std::uint32_t>(TakeBigEndian(key));
}

absl::StatusOr<std::uint64_t> ParseItemNumber(absl::string_view key) {
  if (key.size() != 12) return Corrupt("item key", "is not 12 bytes long");
  return TakeBigEndian(key.substr(4));
}

}  // namespace ragmesh::vector_store
