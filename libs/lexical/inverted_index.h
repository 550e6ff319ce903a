// A mutable inverted index in memory: the newest chunks of a collection.
//
// Chunks are numbered by *slots*, which the caller hands out in ascending order and never reuses. A
// chunk is first appended, which costs the most and changes no result, and then activated, which is
// cheap; so a caller that guards the index with a reader-writer lock can publish large writes at
// once with short exclusive sections.
#ifndef RAGMESH_LIBS_LEXICAL_INVERTED_INDEX_H_
#define RAGMESH_LIBS_LEXICAL_INVERTED_INDEX_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/fields.h"
#include "libs/lexical/growing_list.h"
#include "libs/lexical/index_part.h"
#include "libs/lexical/term_map.h"

namespace ragmesh::lexical {

using TermId = std::uint32_t;

// Counts of active chunks only: deactivating one restores what was before it, exactly.
// Not thread-safe; concurrent calls of const methods are fine.
class InvertedIndex final : public IndexPart {
 public:
  struct Document {
    struct Term {
      TermId id = 0;
      Occurrences occurrences;
      std::uint32_t positions = 0;  // how many of Document::positions are its own
    };
    std::vector<Term> terms;  // distinct
    Lengths lengths;
    absl::Span<const std::uint32_t>
        positions;  // those of the ChunkTerms, borrowed; of all chunks or of none
  };

  // The terms by number. Numbers stay valid for the life of the index; new terms get the next one.
  Document Intern(const ChunkTerms& terms);
  // Nothing when one of the terms was never interned. Without positions.
  std::optional<Document> FindAll(const ChunkTerms& terms) const;

  // `slot` must be larger than every slot appended before.
  void Append(std::uint32_t slot, const Document& document);
  void Activate(const Document& document) { Count(document, +1); }
  void Deactivate(const Document& document) { Count(document, -1); }

  // Of active chunks.
  const CorpusStatistics& statistics() const override { return statistics_; }
  std::uint32_t DocumentFrequency(absl::string_view term) const override;
  std::uint64_t terms() const { return active_terms_; }  // that at least one active chunk holds
  std::uint64_t memory_bytes() const;                    // estimate

  // Calls `found` once for each slot whose bit is set in `allowed` and that holds a term of
  // `terms`, in no particular order, with its score.
  void ScoreAll(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                absl::Span<const std::uint64_t> allowed,
                absl::FunctionRef<void(std::uint32_t slot, double score)> found) const;

  // What each term of `query` that `slot` holds adds to its score, in the order of Search's sum.
  struct Contribution {
    std::size_t term = 0;    // place of its first occurrence in `query`
    double occurrences = 0;  // in the query
    double idf = 0;
    double frequency = 0;    // in the slot
    double length_norm = 0;  // k1 * (1 - b + b * length / average length)
    double score = 0;
  };
  std::vector<Contribution> Explain(absl::Span<const std::string> query, const Bm25& bm25,
                                    std::uint32_t slot) const;

  // The same index without the slots that `new_slots` maps to kDropped; others get their new
  // number, which must ascend with the old one. Terms that no kept slot holds are forgotten.
  static constexpr std::uint32_t kDropped = 0xFFFFFFFF;
  InvertedIndex Compacted(absl::Span<const std::uint32_t> new_slots) const;

  std::uint32_t slot_count() const override { return static_cast<std::uint32_t>(lengths_.size()); }
  absl::Status ForEachSlot(absl::string_view term,
                           absl::FunctionRef<void(std::uint32_t)> found) const override;
  absl::Status ForEachPositions(
      absl::string_view term, absl::Span<const std::uint32_t> slots,
      absl::FunctionRef<void(std::uint32_t, absl::Span<const std::uint32_t>)> found) const override;
  absl::Status ForEachOccurrence(
      absl::string_view term, absl::Span<const std::uint32_t> slots,
      absl::FunctionRef<void(std::size_t, const Occurrences&, const Lengths&)> found)
      const override;
  // Looks at every term of the index.
  bool ForEachTerm(absl::string_view prefix, std::size_t limit,
                   absl::FunctionRef<void(absl::string_view)> found) const override;
  absl::Status Search(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                      absl::Span<const std::uint64_t> allowed, std::uint32_t base,
                      TopSlots* best) const override;
  absl::Status Score(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                     absl::Span<const std::uint32_t> slots,
                     absl::Span<double> scores) const override;

  // For writers of images: terms in order, and the postings of one, ascending. `positions` are all
  // positions of a posting, or none where the index was given none.
  std::vector<std::string> SortedTerms() const;
  void ForEachPosting(absl::string_view term,
                      absl::FunctionRef<void(std::uint32_t slot, const Occurrences& occurrences,
                                             absl::Span<const std::uint32_t> positions)>
                          found) const;
  Lengths LengthsAt(std::uint32_t slot) const { return lengths_[slot]; }

 private:
  static constexpr std::size_t kPostingsPerStart = 32;

  struct Posting {
    std::uint32_t slot = 0;
    Occurrences occurrences;
  };
  // One cache line, since a chunk needs those of all its terms.
  struct alignas(64) Postings {
    GrowingList<Posting> list;    // ascending by slot
    GrowingList<char> positions;  // varints of the gaps; of each posting as many as its count
    // In `positions`, of every kPostingsPerStart-th posting after the first.
    GrowingList<std::uint32_t> starts;

    void Add(std::uint32_t slot, const Occurrences& occurrences, absl::Span<const std::uint32_t> at,
             ListMemory* memory);
    // Place of the first posting from `begin` on of `slot` or one above it.
    std::size_t Find(std::uint32_t slot, std::size_t begin) const;
    // Calls visit(posting, positions) for postings [first, last).
    template <typename Visit>
    void Walk(std::size_t first, std::size_t last, const Visit& visit) const;
  };

  TermId Intern(absl::string_view term);
  const Postings* Find(absl::string_view term) const;
  void Count(const Document& document, int sign);

  TermMap<TermId> ids_;
  std::vector<Postings> postings_;  // by term
  // By term, the active chunks that hold it; by themselves, since an activation counts some hundred
  // of them.
  std::vector<std::uint32_t> active_;
  ListMemory memory_;             // of their lists
  std::vector<Lengths> lengths_;  // by slot
  CorpusStatistics statistics_;
  std::uint64_t active_terms_ = 0;
  std::uint64_t term_bytes_ = 0;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_INVERTED_INDEX_H_
