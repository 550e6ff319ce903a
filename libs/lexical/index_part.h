// A part of an index: what a search over a mutable tail and several images asks of each of them.
#ifndef RAGMESH_LIBS_LEXICAL_INDEX_PART_H_
#define RAGMESH_LIBS_LEXICAL_INDEX_PART_H_

#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/query_terms.h"
#include "libs/lexical/top_slots.h"

namespace ragmesh::lexical {

// Slots are the part's own, from 0. Calls return DATA_LOSS where bytes of an image turn out to
// follow no layout. Const methods may run at the same time.
class IndexPart {
 public:
  virtual ~IndexPart() = default;

  virtual std::uint32_t slot_count() const = 0;
  virtual const CorpusStatistics& statistics() const = 0;
  virtual std::uint32_t DocumentFrequency(absl::string_view term) const = 0;

  // Calls `found` for each slot that holds the term, ascending; slots of chunks that are not live
  // may be among them.
  virtual absl::Status ForEachSlot(absl::string_view term,
                                   absl::FunctionRef<void(std::uint32_t slot)> found) const = 0;

  // Positions of the term in each of `slots`, ascending, that holds it.
  virtual absl::Status ForEachPositions(
      absl::string_view term, absl::Span<const std::uint32_t> slots,
      absl::FunctionRef<void(std::uint32_t slot, absl::Span<const std::uint32_t> positions)> found)
      const = 0;

  // How often the term occurs in each of `slots`, ascending, that holds it, and the lengths of that
  // slot; `i` counts in `slots`.
  virtual absl::Status ForEachOccurrence(
      absl::string_view term, absl::Span<const std::uint32_t> slots,
      absl::FunctionRef<void(std::size_t i, const Occurrences& of, const Lengths& lengths)> found)
      const = 0;

  // The first `limit` terms that begin with `prefix`, in no particular order; false when there are
  // more of them.
  virtual bool ForEachTerm(absl::string_view prefix, std::size_t limit,
                           absl::FunctionRef<void(absl::string_view term)> found) const = 0;

  // Offers slots whose bit is set in `allowed` to `best`, as slot + `base`, with the sum of the
  // terms' contributions: at least those that can be among the best. A bit beyond the last slot is
  // ignored.
  virtual absl::Status Search(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                              absl::Span<const std::uint64_t> allowed, std::uint32_t base,
                              TopSlots* best) const = 0;

  // scores[i] = the score of slots[i], ascending; 0 where no term occurs, and beyond the last slot.
  virtual absl::Status Score(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                             absl::Span<const std::uint32_t> slots,
                             absl::Span<double> scores) const = 0;
};

inline bool IsSet(absl::Span<const std::uint64_t> bits, std::uint32_t slot) {
  return slot / 64 < bits.size() && ((bits[slot / 64] >> (slot % 64)) & 1) != 0;
}

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_INDEX_PART_H_
