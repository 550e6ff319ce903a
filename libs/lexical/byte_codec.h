// Numbers in the byte ranges of postings images: little-endian, and varints of 7 bits a byte,
// lowest first. Reading is checked; docs/formats/postings.md has the layout.
#ifndef RAGMESH_LIBS_LEXICAL_BYTE_CODEC_H_
#define RAGMESH_LIBS_LEXICAL_BYTE_CODEC_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#include "absl/strings/string_view.h"

namespace ragmesh::lexical {

template <typename T>
T LoadLittle(const char* from) {
  if constexpr (std::endian::native == std::endian::little) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
  }
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < sizeof(T); ++i)
    value |= std::uint64_t{static_cast<unsigned char>(from[i])} << (8 * i);
  return static_cast<T>(value);
}

template <typename T>
void AppendLittle(T value, std::string* out) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out->push_back(static_cast<char>(std::uint64_t{value} >> (8 * i)));
}

inline constexpr std::size_t kMostVarintBytes = 5;  // of 32 bits

// To where kMostVarintBytes may be written; returns their end.
inline char* WriteVarint(std::uint32_t value, char* out) {
  for (; value >= 0x80; value >>= 7) *out++ = static_cast<char>(value | 0x80);
  *out++ = static_cast<char>(value);
  return out;
}

inline void AppendVarint(std::uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

// Takes values off the front of `in`. What does not fit makes failed() true and reads as 0.
class ByteReader {
 public:
  explicit ByteReader(absl::string_view in) : next_(in.data()), end_(in.data() + in.size()) {}

  std::uint64_t Varint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && next_ != end_; shift += 7) {
      const auto byte = static_cast<unsigned char>(*next_++);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
    failed_ = true;
    return 0;
  }
  template <typename T>
  T Little() {
    if (left() < sizeof(T)) {
      failed_ = true;
      return 0;
    }
    const T value = LoadLittle<T>(next_);
    next_ += sizeof(T);
    return value;
  }
  absl::string_view Bytes(std::uint64_t size) {
    if (left() < size) {
      failed_ = true;
      return {};
    }
    next_ += size;
    return {next_ - size, static_cast<std::size_t>(size)};
  }

  std::size_t left() const { return static_cast<std::size_t>(end_ - next_); }
  bool failed() const { return failed_; }

 private:
  const char* next_;
  const char* end_;
  bool failed_ = false;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_BYTE_CODEC_H_
