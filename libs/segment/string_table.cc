#include "libs/segment/string_table.h"

#include <xxhash.h>

#include <bit>
#include <cstring>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/error.h"

namespace ragmesh::segment {
namespace {

struct Header {
  std::uint64_t count;
  std::uint64_t buckets;  // a power of two, or 0: no look-up
};

std::uint64_t Hash(absl::string_view text) { return XXH3_64bits(text.data(), text.size()); }

template <typename T>
void AppendAll(const std::vector<T>& values, std::string* out) {
  out->append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
}

}  // namespace

void StringTableBuilder::Add(absl::string_view text) {
  bytes_.append(text.data(), text.size());
  ends_.push_back(bytes_.size());
}

// header | end of each string | buckets, number + 1 or 0 | the strings
std::string StringTableBuilder::Take(bool with_lookup) {
  RAGMESH_CHECK(ends_.size() < 0xFFFFFFFF, "strings are numbered by 32 bits");
  Header header = {ends_.size(), 0};
  std::vector<std::uint32_t> lookup;
  if (with_lookup && !ends_.empty()) {
    header.buckets = std::bit_ceil(ends_.size() * 3 / 2 + 2);
    lookup.assign(header.buckets, 0);
    for (std::uint64_t i = 0; i < ends_.size(); ++i) {
      const std::uint64_t begin = i == 0 ? 0 : ends_[i - 1];
      std::uint64_t at = Hash(absl::string_view(bytes_).substr(begin, ends_[i] - begin));
      while (lookup[at & (header.buckets - 1)] != 0) ++at;
      lookup[at & (header.buckets - 1)] = static_cast<std::uint32_t>(i + 1);
    }
  }
  std::string out(reinterpret_cast<const char*>(&header), sizeof(header));
  AppendAll(ends_, &out);
  AppendAll(lookup, &out);
  out += bytes_;
  bytes_.clear();
  ends_.clear();
  return out;
}

absl::StatusOr<StringTable> StringTable::Open(absl::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof(header)) return Corrupt("string table", "is cut off");
  std::memcpy(&header, bytes.data(), sizeof(header));
  const std::uint64_t rest = bytes.size() - sizeof(header);
  if (header.count > rest / sizeof(std::uint64_t) ||
      header.buckets > rest / sizeof(std::uint32_t) ||
      header.count * sizeof(std::uint64_t) + header.buckets * sizeof(std::uint32_t) > rest ||
      (header.buckets & (header.buckets - 1)) != 0 ||
      (header.buckets != 0 && header.buckets <= header.count))
    return Corrupt("string table", "has impossible sizes");
  StringTable table;
  table.count_ = header.count;
  table.buckets_ = header.buckets;
  const char* const ends = bytes.data() + sizeof(header);
  const char* const lookup = ends + header.count * sizeof(std::uint64_t);
  const char* const text = lookup + header.buckets * sizeof(std::uint32_t);
  table.ends_ = reinterpret_cast<const std::uint64_t*>(ends);
  table.lookup_ = reinterpret_cast<const std::uint32_t*>(lookup);
  table.head_ = {bytes.data(), static_cast<std::size_t>(text - bytes.data())};
  table.text_ = {text, static_cast<std::size_t>(bytes.data() + bytes.size() - text)};
  return table;
}

absl::string_view StringTable::operator[](std::uint64_t number) const {
  const std::uint64_t begin = number == 0 ? 0 : ends_[number - 1], end = ends_[number];
  if (begin > end || end > text_.size()) return {};
  return text_.substr(begin, end - begin);
}

std::optional<std::uint32_t> StringTable::Find(absl::string_view text) const {
  if (buckets_ == 0) return std::nullopt;
  std::uint64_t at = Hash(text);
  // There is an empty bucket, unless the bytes are damaged.
  for (std::uint64_t tries = 0; tries < buckets_; ++tries, ++at) {
    const std::uint32_t entry = lookup_[at & (buckets_ - 1)];
    if (entry == 0) return std::nullopt;
    if (entry <= count_ && (*this)[entry - 1] == text) return entry - 1;
  }
  return std::nullopt;
}

std::uint64_t StringTable::LowerBound(absl::string_view text) const {
  std::uint64_t low = 0, high = count_;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if ((*this)[middle] < text) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace ragmesh::segment
