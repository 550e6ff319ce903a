// Greedy merging of neighbours, best pair first: the heart of byte-level BPE and of SentencePiece's
// BPE, which differ in how a pair is looked up and what makes it the best.
#ifndef RAGMESH_LIBS_TEXT_MERGE_SYMBOLS_H_
#define RAGMESH_LIBS_TEXT_MERGE_SYMBOLS_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <queue>
#include <vector>

namespace ragmesh::text {

inline constexpr std::uint32_t kNoSymbol = std::numeric_limits<std::uint32_t>::max();

// A piece of a word, in a list that is linked by places in a vector.
struct Symbol {
  std::int64_t id = -1;              // of its token; below 0 when it has none
  std::uint32_t begin = 0, end = 0;  // bytes of the word
  std::uint32_t previous = kNoSymbol, next = kNoSymbol;
};

struct Merge {
  double cost = 0;  // the lowest is merged first, the leftmost among equals; never NaN
  std::uint32_t id = 0;
};

// Appends a symbol behind the last one.
inline void AddSymbol(std::int64_t id, std::uint32_t begin, std::uint32_t end,
                      std::vector<Symbol>* symbols) {
  const auto at = static_cast<std::uint32_t>(symbols->size());
  if (at > 0) symbols->back().next = at;
  symbols->push_back({id, begin, end, at > 0 ? at - 1 : kNoSymbol, kNoSymbol});
}

// Merges until `find(left, right)`, an optional<Merge>, knows no more neighbours. What is left is
// the list from the first symbol on, by `next`. Takes n log n steps for n symbols.
template <typename Find>
void MergeSymbols(const Find& find, std::vector<Symbol>* symbols) {
  struct Candidate {
    double cost;
    std::uint32_t left, right;
    std::uint32_t end;  // of the right symbol when the pair was found
    std::uint32_t id;
    bool operator<(const Candidate& other) const {
      return cost != other.cost ? cost > other.cost : left > other.left;
    }
  };
  std::vector<Symbol>& all = *symbols;
  std::vector<Candidate> found;
  const auto lookup = [&](std::uint32_t left, std::uint32_t right) -> std::optional<Candidate> {
    if (left == kNoSymbol || right == kNoSymbol) return std::nullopt;
    const std::optional<Merge> merge = find(all[left], all[right]);
    if (!merge.has_value()) return std::nullopt;
    return Candidate{merge->cost, left, right, all[right].end, merge->id};
  };
  for (std::uint32_t i = 0; i + 1 < all.size(); ++i) {
    if (const auto candidate = lookup(i, i + 1)) found.push_back(*candidate);
  }
  std::priority_queue<Candidate> queue(std::less<Candidate>(), std::move(found));
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = all[best.left];
    // A symbol only grows to its right, so a pair that was touched since has other neighbours or
    // another end; one that was swallowed has no next.
    if (left.next != best.right || all[best.right].end != best.end) continue;
    Symbol& right = all[best.right];
    left.id = best.id;
    left.end = right.end;
    left.next = right.next;
    right.next = kNoSymbol;
    if (left.next != kNoSymbol) all[left.next].previous = best.left;
    for (const auto& candidate : {lookup(left.previous, best.left), lookup(best.left, left.next)}) {
      if (candidate.has_value()) queue.push(*candidate);
    }
  }
}

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_MERGE_SYMBOLS_H_
