// Lists of stacks, each kept once.
#ifndef RAGMESH_LIBS_GRAMMAR_ITEM_LISTS_H_
#define RAGMESH_LIBS_GRAMMAR_ITEM_LISTS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ragmesh::grammar {

// A state over a frame.
struct Item {
  std::uint32_t state, frame;
  bool operator==(const Item& o) const { return state == o.state && frame == o.frame; }
  bool operator<(const Item& o) const {
    return state != o.state ? state < o.state : frame < o.frame;
  }
};

// Numbers lists from 0 up, one after the other.
class ItemTable {
 public:
  void Add(absl::Span<const Item> list) {
    items_.insert(items_.end(), list.begin(), list.end());
    ends_.push_back(static_cast<std::uint32_t>(items_.size()));
  }
  absl::Span<const Item> operator[](std::uint32_t id) const {
    const std::uint32_t begin = id == 0 ? 0 : ends_[id - 1];
    return absl::MakeConstSpan(items_).subspan(begin, ends_[id] - begin);
  }
  std::uint32_t size() const { return static_cast<std::uint32_t>(ends_.size()); }
  std::size_t bytes() const { return items_.capacity() * sizeof(Item) + ends_.capacity() * 4; }

 private:
  std::vector<Item> items_;
  std::vector<std::uint32_t> ends_;
};

// The same, and equal lists have the same number.
class ItemLists {
 public:
  static constexpr std::uint32_t kNone = ~0u;

  // The number of `list`; kNone when it is not there.
  std::uint32_t Find(absl::Span<const Item> list) const;
  // The number of `list`, which is new if it was size() before the call.
  std::uint32_t Intern(absl::Span<const Item> list);
  absl::Span<const Item> operator[](std::uint32_t id) const { return table_[id]; }
  std::uint32_t size() const { return table_.size(); }
  std::size_t bytes() const { return table_.bytes() + slots_.capacity() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t hash;
    std::uint32_t id;  // plus 1; 0 is a free slot
  };

  void Grow();

  ItemTable table_;
  std::vector<Slot> slots_;  // a power of two of them, at most half used
};

// A set of stacks that is cleared often. Clearing it takes no time.
class SeenItems {
 public:
  void Clear();
  // False when it was there already.
  bool Add(Item item);

 private:
  struct Slot {
    Item item;
    std::uint32_t round;
  };

  void Grow();

  std::vector<Slot> slots_ = std::vector<Slot>(64);
  std::uint32_t round_ = 1;
  std::size_t used_ = 0;
};

}  // namespace ragmesh::grammar

#endif  // RAGMESH_LIBS_GRAMMAR_ITEM_LISTS_H_
