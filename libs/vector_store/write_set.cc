#include "libs/vector_store/write_set.h"

#include <cstring>
#include <iterator>

#include "absl/strings/match.h"
#include "libs/base/check.h"
#include "libs/vector_store/record_keys.h"

namespace ragmesh::vector_store {
namespace {

constexpr std::uint32_t kRemoved = 0xFFFFFFFF;

struct Header {
  std::uint8_t family = 0;
  std::uint32_t key_bytes = 0;
  std::uint32_t value_bytes = 0;

  static constexpr std::size_t kBytes = 9;
  void AppendTo(std::string* out) const {
    char bytes[kBytes];
    bytes[0] = static_cast<char>(family);
    std::memcpy(bytes + 1, &key_bytes, sizeof(key_bytes));
    std::memcpy(bytes + 5, &value_bytes, sizeof(value_bytes));
    out->append(bytes, kBytes);
  }
  static Header At(const char* bytes) {
    Header header;
    header.family = static_cast<std::uint8_t>(bytes[0]);
    std::memcpy(&header.key_bytes, bytes + 1, sizeof(header.key_bytes));
    std::memcpy(&header.value_bytes, bytes + 5, sizeof(header.value_bytes));
    return header;
  }
};

}  // namespace

WriteSet& WriteSet::operator=(WriteSet&& other) noexcept {
  parts_ = std::exchange(other.parts_, {});
  operations_ = std::exchange(other.operations_, 0);
  only_removes_ = std::exchange(other.only_removes_, true);
  only_puts_ = std::exchange(other.only_puts_, true);
  return *this;
}

std::size_t WriteSet::BeginPut(Family family, absl::string_view key) {
  only_removes_ =
      only_removes_ &&
      (family == Family::kStates || family == Family::kReplays || family == Family::kRemoved ||
       absl::StartsWith(key, kDroppedPrefix) || absl::StartsWith(key, kAliasPrefix));
  ++operations_;
  if (parts_.empty()) parts_.emplace_back();
  std::string& part = parts_.back();
  const std::size_t begin = part.size();
  Header{static_cast<std::uint8_t>(family), static_cast<std::uint32_t>(key.size()), 0}.AppendTo(
      &part);
  part.append(key.data(), key.size());
  return begin;
}

void WriteSet::EndPut(std::size_t begin) {
  std::string& part = parts_.back();
  const std::size_t value =
      part.size() - begin - Header::kBytes - Header::At(part.data() + begin).key_bytes;
  RAGMESH_CHECK(value < kRemoved, "no value has 4 GiB");
  const auto value_bytes = static_cast<std::uint32_t>(value);
  std::memcpy(part.data() + begin + 5, &value_bytes, sizeof(value_bytes));
}

void WriteSet::Put(Family family, absl::string_view key, absl::string_view value) {
  PutEncoded(family, key, [value](std::string* out) { out->append(value.data(), value.size()); });
}

void WriteSet::Delete(Family family, absl::string_view key) {
  only_puts_ = false;
  ++operations_;
  if (parts_.empty()) parts_.emplace_back();
  Header{static_cast<std::uint8_t>(family), static_cast<std::uint32_t>(key.size()), kRemoved}
      .AppendTo(&parts_.back());
  parts_.back().append(key.data(), key.size());
}

void WriteSet::Append(WriteSet&& other) {
  only_removes_ = only_removes_ && other.only_removes_;
  only_puts_ = only_puts_ && other.only_puts_;
  operations_ += other.operations_;
  parts_.insert(parts_.end(), std::make_move_iterator(other.parts_.begin()),
                std::make_move_iterator(other.parts_.end()));
  other = WriteSet();
}

void WriteSet::Reserve(std::size_t bytes) {
  if (parts_.empty()) parts_.emplace_back();
  parts_.back().reserve(parts_.back().size() + bytes);
}

std::uint64_t WriteSet::bytes() const {
  std::uint64_t bytes = 0;
  for (const std::string& part : parts_) bytes += part.size();
  return bytes;
}

void WriteSet::ForEach(absl::FunctionRef<void(Family, absl::string_view, absl::string_view)> put,
                       absl::FunctionRef<void(Family, absl::string_view)> removed) const {
  for (const std::string& part : parts_) {
    for (const char *at = part.data(), *end = at + part.size(); at < end;) {
      const Header header = Header::At(at);
      const auto family = static_cast<Family>(header.family);
      const absl::string_view key(at + Header::kBytes, header.key_bytes);
      at = key.data() + key.size();
      if (header.value_bytes == kRemoved) {
        removed(family, key);
        continue;
      }
      put(family, key, {at, header.value_bytes});
      at += header.value_bytes;
    }
  }
}

}  // namespace ragmesh::vector_store
