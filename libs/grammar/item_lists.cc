#include "libs/grammar/item_lists.h"

#include <algorithm>
#include <utility>

namespace ragmesh::grammar {
namespace {

// One round of a multiplicative hash; the high bits are the good ones.
std::uint64_t Mix(std::uint64_t hash, Item item) {
  const std::uint64_t value = std::uint64_t{item.state} << 32 | item.frame;
  hash = (hash ^ value) * 0x9E3779B97F4A7C15ull;
  return hash ^ hash >> 29;
}

std::uint32_t Hash(absl::Span<const Item> list) {
  std::uint64_t hash = list.size();
  for (const Item& item : list) hash = Mix(hash, item);
  return static_cast<std::uint32_t>(hash * 0x9E3779B97F4A7C15ull >> 32);
}

}  // namespace

std::uint32_t ItemLists::Find(absl::Span<const Item> list) const {
  if (slots_.empty()) return kNone;
  const std::uint32_t hash = Hash(list);
  for (std::size_t at = hash & (slots_.size() - 1); slots_[at].id != 0;
       at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].hash == hash && table_[slots_[at].id - 1] == list) return slots_[at].id - 1;
  }
  return kNone;
}

std::uint32_t ItemLists::Intern(absl::Span<const Item> list) {
  if (const std::uint32_t known = Find(list); known != kNone) return known;
  if (2 * (size() + 1) > slots_.size()) Grow();
  const std::uint32_t hash = Hash(list);
  std::size_t at = hash & (slots_.size() - 1);
  while (slots_[at].id != 0) at = (at + 1) & (slots_.size() - 1);
  table_.Add(list);
  slots_[at] = {hash, size()};
  return size() - 1;
}

void ItemLists::Grow() {
  const std::vector<Slot> old =
      std::exchange(slots_, std::vector<Slot>(std::max<std::size_t>(64, 2 * slots_.size())));
  for (const Slot& slot : old) {
    if (slot.id == 0) continue;
    std::size_t at = slot.hash & (slots_.size() - 1);
    while (slots_[at].id != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = slot;
  }
}

void SeenItems::Clear() {
  used_ = 0;
  if (++round_ != 0) return;
  std::fill(slots_.begin(), slots_.end(), Slot{});
  round_ = 1;
}

bool SeenItems::Add(Item item) {
  if (2 * (used_ + 1) > slots_.size()) Grow();
  std::size_t at = Mix(0, item) >> 20 & (slots_.size() - 1);
  for (; slots_[at].round == round_; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].item == item) return false;
  }
  slots_[at] = {item, round_};
  ++used_;
  return true;
}

void SeenItems::Grow() {
  const std::vector<Slot> old = std::exchange(slots_, std::vector<Slot>(2 * slots_.size()));
  used_ = 0;
  for (const Slot& slot : old) {
    if (slot.round == round_) Add(slot.item);
  }
}

}  // namespace ragmesh::grammar
