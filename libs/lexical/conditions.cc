#include "libs/lexical/conditions.h"

#include <algorithm>

#include "libs/base/status_macros.h"

namespace ragmesh::lexical {
namespace {

// Slots whose positions are in memory at once.
constexpr std::size_t kSlotsPerStep = 4096;

void Combine(const SlotBits& found, bool excluded, SlotBits* bits) {
  for (std::size_t i = 0; i < bits->size(); ++i) (*bits)[i] &= excluded ? ~found[i] : found[i];
}

absl::Status AddSlots(const IndexPart& part, absl::string_view term, SlotBits* bits) {
  return part.ForEachSlot(term, [&](std::uint32_t slot) {
    if (slot / 64 < bits->size()) (*bits)[slot / 64] |= std::uint64_t{1} << (slot % 64);
  });
}

struct Start {
  std::uint32_t slot;
  std::uint32_t position;  // where the phrase would begin
  bool operator<(const Start& other) const {
    return slot != other.slot ? slot < other.slot : position < other.position;
  }
  bool operator==(const Start&) const = default;
};

// Those of `slots`, ascending, in which the terms stand as a phrase.
absl::Status PhraseSlots(const IndexPart& part, absl::Span<const PlacedTerm> terms,
                         absl::Span<const std::uint32_t> slots, SlotBits* found) {
  std::vector<Start> starts, next, both;
  std::vector<std::uint32_t> left(slots.begin(), slots.end());
  for (std::size_t t = 0; t < terms.size(); ++t) {
    const std::uint32_t distance = terms[t].position - terms[0].position;
    next.clear();
    RAGMESH_RETURN_IF_ERROR(part.ForEachPositions(
        terms[t].term, left, [&](std::uint32_t slot, absl::Span<const std::uint32_t> positions) {
          for (const std::uint32_t position : positions) {
            if (position >= distance) next.push_back({slot, position - distance});
          }
        }));
    if (t == 0) {
      starts.swap(next);
    } else {
      both.clear();
      std::set_intersection(starts.begin(), starts.end(), next.begin(), next.end(),
                            std::back_inserter(both));
      starts.swap(both);
    }
    left.clear();
    for (const Start& start : starts) {
      if (left.empty() || left.back() != start.slot) left.push_back(start.slot);
    }
  }
  for (const std::uint32_t slot : left) (*found)[slot / 64] |= std::uint64_t{1} << (slot % 64);
  return absl::OkStatus();
}

}  // namespace

absl::Status KeepAnyOf(const IndexPart& part, absl::Span<const std::string> terms, bool excluded,
                       SlotBits* bits) {
  SlotBits found(bits->size(), 0);
  for (const std::string& term : terms) RAGMESH_RETURN_IF_ERROR(AddSlots(part, term, &found));
  Combine(found, excluded, bits);
  return absl::OkStatus();
}

absl::Status KeepPhrase(const IndexPart& part, absl::Span<const PlacedTerm> terms, bool excluded,
                        SlotBits* bits) {
  SlotBits all = *bits, one;
  for (const PlacedTerm& term : terms) {
    one.assign(bits->size(), 0);
    RAGMESH_RETURN_IF_ERROR(AddSlots(part, term.term, &one));
    Combine(one, /*excluded=*/false, &all);
  }
  if (terms.size() > 1) {
    SlotBits found(bits->size(), 0);
    std::vector<std::uint32_t> slots;
    for (std::size_t word = 0; word < all.size(); ++word) {
      for (std::uint64_t rest = all[word]; rest != 0; rest &= rest - 1)
        slots.push_back(static_cast<std::uint32_t>(word * 64) +
                        static_cast<std::uint32_t>(__builtin_ctzll(rest)));
      if (slots.size() < kSlotsPerStep && word + 1 < all.size()) continue;
      RAGMESH_RETURN_IF_ERROR(PhraseSlots(part, terms, slots, &found));
      slots.clear();
    }
    all.swap(found);
  }
  Combine(all, excluded, bits);
  return absl::OkStatus();
}

}  // namespace ragmesh::lexical
