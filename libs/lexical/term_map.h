// A hash map by terms, made for the words of texts: most have at most eight bytes, and those are
// kept and compared as integers, in a third of the memory that strings take.
#ifndef RAGMESH_LIBS_LEXICAL_TERM_MAP_H_
#define RAGMESH_LIBS_LEXICAL_TERM_MAP_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace ragmesh::lexical {

// The first eight bytes of a term, zeros for what it lacks, as a number that sorts as they do.
inline std::uint64_t PrefixOf(absl::string_view term) {
  static_assert(std::endian::native == std::endian::little);
  const std::size_t size = term.size();
  const char* const data = term.data();
  // Loads of a size that the compiler knows, which may overlap, instead of a loop.
  if (size >= 8) {
    std::uint64_t eight;
    std::memcpy(&eight, data, 8);
    return __builtin_bswap64(eight);
  }
  if (size >= 4) {
    std::uint32_t first, last;
    std::memcpy(&first, data, 4);
    std::memcpy(&last, data + size - 4, 4);
    return std::uint64_t{__builtin_bswap32(first)} << 32 | std::uint64_t{__builtin_bswap32(last)}
                                                               << (64 - 8 * size);
  }
  const auto byte = [data](std::size_t at) {
    return std::uint64_t{static_cast<unsigned char>(data[at])} << (56 - 8 * at);
  };
  return size == 0 ? 0 : byte(0) | byte(size / 2) | byte(size - 1);
}

// Not thread-safe. A pointer to a value is good until the next new term.
template <typename Value>
class TermMap {
 public:
  // The value of `term`, which is `value` when the term is new, and whether it is.
  std::pair<Value*, bool> TryEmplace(absl::string_view term, const Value& value) {
    if (IsShort(term)) {
      const auto [it, is_new] = short_.try_emplace(PrefixOf(term), value);
      return {&it->second, is_new};
    }
    const auto [it, is_new] = long_.try_emplace(term, value);
    return {&it->second, is_new};
  }
  const Value* Find(absl::string_view term) const {
    if (IsShort(term)) {
      const auto it = short_.find(PrefixOf(term));
      return it == short_.end() ? nullptr : &it->second;
    }
    const auto it = long_.find(term);
    return it == long_.end() ? nullptr : &it->second;
  }
  // Calls visit(term, value) for all, in no order, until it returns false. The term is good for
  // the call only.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (const auto& [prefix, value] : short_) {
      char bytes[8];
      std::size_t size = 0;
      for (; size < 8 && prefix << 8 * size != 0; ++size)
        bytes[size] = static_cast<char>(prefix >> (56 - 8 * size));
      if (!visit(absl::string_view(bytes, size), value)) return;
    }
    for (const auto& [term, value] : long_) {
      if (!visit(absl::string_view(term), value)) return;
    }
  }
  // Sends for the place where the term is, or would be.
  void Prefetch(absl::string_view term) const {
    if (IsShort(term)) {
      short_.prefetch(PrefixOf(term));
    } else {
      long_.prefetch(term);
    }
  }
  std::size_t size() const { return short_.size() + long_.size(); }
  void Clear() {
    short_.clear();
    long_.clear();
  }

 private:
  // Its prefix tells it from every other: a zero at its end could be one that it lacks.
  static bool IsShort(absl::string_view term) {
    return !term.empty() && term.size() <= 8 && term.back() != '\0';
  }

  absl::flat_hash_map<std::uint64_t, Value> short_;  // by PrefixOf the term
  absl::flat_hash_map<std::string, Value> long_;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_TERM_MAP_H_
