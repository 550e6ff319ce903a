// A hash map by terms, made for the words of texts: nearly all have at most 16 bytes, and those are
// kept and compared as two integers, in two thirds of the memory that strings take.
#ifndef RAGMESH_LIBS_LEXICAL_TERM_MAP_H_
#define RAGMESH_LIBS_LEXICAL_TERM_MAP_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

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

// A term as TermMap looks for it, to be made once for several look-ups. Borrows the term.
class TermKey {
 public:
  explicit TermKey(absl::string_view term)
      : TermKey(term, PrefixOf(term), term.size() > 8 ? PrefixOf(term.substr(8)) : 0) {}

  // The same without a branch, of a term that begins where kPadding bytes can be read.
  static constexpr std::size_t kPadding = 16;
  static TermKey Padded(absl::string_view term) {
    const std::size_t size = std::min(term.size(), kPadding);
    std::uint64_t head, tail;
    std::memcpy(&head, term.data(), 8);
    std::memcpy(&tail, term.data() + 8, 8);
    return {term, __builtin_bswap64(head) & Kept(std::min<std::size_t>(size, 8)),
            __builtin_bswap64(tail) & Kept(size - std::min<std::size_t>(size, 8))};
  }

  absl::string_view term() const { return term_; }
  std::uint64_t prefix() const { return head_; }

 private:
  template <typename Value>
  friend class TermMap;

  TermKey(absl::string_view term, std::uint64_t head, std::uint64_t tail)
      : term_(term), head_(head), tail_(tail) {}

  // The highest `bytes` bytes, up to 8.
  static std::uint64_t Kept(std::size_t bytes) {
    return bytes == 0 ? 0 : ~std::uint64_t{0} << (64 - 8 * bytes);
  }
  // Its bytes tell it from every other: a zero at its end could be one that it lacks.
  bool is_short() const {
    return !term_.empty() && term_.size() <= kPadding && term_.back() != '\0';
  }
  absl::string_view term_;
  std::uint64_t head_, tail_;
};

// Not thread-safe. A pointer to a value is good until the next new term. A map that was moved from
// may only be destroyed or assigned to.
//
// The table of short terms is our own, since look-ups in texts wait for memory: a slot lies where
// its hash says, or right behind, so one line sent for ahead is nearly always the one that is
// needed. Abseil's maps keep marks and slots apart and can send for the first of 16 slots only.
template <typename Value>
class TermMap {
 public:
  // The value of `term`, which is `value` when the term is new, and whether it is.
  std::pair<Value*, bool> TryEmplace(const TermKey& key, const Value& value) {
    if (key.is_short()) {
      Slot* slot = &slots_[SlotOf(key)];
      const bool is_new = slot->empty();
      if (is_new) {
        if (++used_ > slots_.size() / 8 * 5) {
          Grow();
          slot = &slots_[SlotOf(key)];
        }
        *slot = {key.head_, key.tail_, value};
      }
      return {&slot->value, is_new};
    }
    const auto [it, is_new] = long_.try_emplace(key.term(), value);
    return {&it->second, is_new};
  }
  std::pair<Value*, bool> TryEmplace(absl::string_view term, const Value& value) {
    return TryEmplace(TermKey(term), value);
  }
  const Value* Find(absl::string_view term) const {
    if (const TermKey key(term); key.is_short()) {
      const Slot& slot = slots_[SlotOf(key)];
      return slot.empty() ? nullptr : &slot.value;
    }
    const auto it = long_.find(term);
    return it == long_.end() ? nullptr : &it->second;
  }
  // Calls visit(term, value) for all, in no order, until it returns false. The term is good for
  // the call only.
  template <typename Visit>
  void ForEach(const Visit& visit) const {
    for (const Slot& slot : slots_) {
      if (slot.empty()) continue;
      const std::uint64_t parts[] = {__builtin_bswap64(slot.head), __builtin_bswap64(slot.tail)};
      char bytes[sizeof(parts)];
      std::memcpy(bytes, parts, sizeof(parts));
      std::size_t size = sizeof(parts);
      while (bytes[size - 1] == '\0') --size;
      if (!visit(absl::string_view(bytes, size), slot.value)) return;
    }
    for (const auto& [term, value] : long_) {
      if (!visit(absl::string_view(term), value)) return;
    }
  }
  // Sends for the place where the term is, or would be.
  void Prefetch(const TermKey& key) const {
    if (key.is_short()) {
      __builtin_prefetch(&slots_[HomeOf(key.head_, key.tail_)]);
    } else {
      long_.prefetch(key.term());
    }
  }
  std::size_t size() const { return used_ + long_.size(); }
  void Clear() { *this = TermMap(); }

 private:
  // No short term has zeros for its bytes.
  struct Slot {
    std::uint64_t head = 0, tail = 0;
    Value value = {};
    bool empty() const { return (head | tail) == 0; }
  };

  std::size_t HomeOf(std::uint64_t head, std::uint64_t tail) const {
    // The multiplication of wyhash (public domain). Where the program was loaded is the seed, so
    // that nobody can write a text whose words all come to one place.
    static const char seed = 0;
    const auto salt = reinterpret_cast<std::uintptr_t>(&seed);
    const unsigned __int128 product =
        static_cast<unsigned __int128>(head ^ salt ^ 0xa0761d6478bd642f) *
        (tail ^ (salt << 32) ^ 0xe7037ed1a0b428db);
    return static_cast<std::size_t>(product ^ (product >> 64)) & (slots_.size() - 1);
  }
  // Where it is, or would be.
  std::size_t SlotOf(const TermKey& key) const {
    std::size_t at = HomeOf(key.head_, key.tail_);
    while (((slots_[at].head ^ key.head_) | (slots_[at].tail ^ key.tail_)) != 0 &&
           !slots_[at].empty())
      at = (at + 1) & (slots_.size() - 1);
    return at;
  }
  void Grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.empty()) continue;
      std::size_t at = HomeOf(slot.head, slot.tail);
      while (!slots_[at].empty()) at = (at + 1) & (slots_.size() - 1);
      slots_[at] = slot;
    }
  }

  std::vector<Slot> slots_ = std::vector<Slot>(16);  // a power of two of them, some always empty
  std::size_t used_ = 0;
  absl::flat_hash_map<std::string, Value> long_;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_TERM_MAP_H_
