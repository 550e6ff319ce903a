// BM25 over an in-memory inverted index.
//
// Documents are numbered by *slots*, which the caller hands out in ascending order and never
// reuses. A document is first appended, which costs the most and changes no result, and then
// activated, which is cheap; so a caller that guards the index with a reader-writer lock can
// publish large writes at once with short exclusive sections.
#ifndef RAGMESH_LIBS_LEXICAL_INVERTED_INDEX_H_
#define RAGMESH_LIBS_LEXICAL_INVERTED_INDEX_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace ragmesh::lexical {

using TermId = std::uint32_t;

// BM25 in Lucene's form: idf * tf / (tf + k1 * (1 - b + b * length / average length)),
// idf = ln(1 + (n - df + 0.5) / (df + 0.5)).
struct Bm25 {
  double k1 = 1.2;  // how soon repeated terms stop counting
  double b = 0.75;  // how much long documents are discounted, [0, 1]
};

// Counts of active documents only: deactivating a document restores what was before it, exactly.
// Not thread-safe; concurrent calls of const methods are fine.
class InvertedIndex {
 public:
  struct Document {
    std::vector<std::pair<TermId, std::uint32_t>> terms;  // distinct, with their counts
    std::uint32_t length = 0;                             // sum of all counts
  };

  // The number of `term`, which stays valid for the life of the index; new terms get the next one.
  TermId Intern(absl::string_view term);
  // Nothing when the term was never interned.
  const TermId* Find(absl::string_view term) const;

  // `slot` must be larger than every slot appended before.
  void Append(std::uint32_t slot, const Document& document);
  void Activate(const Document& document) { Count(document, +1); }
  void Deactivate(const Document& document) { Count(document, -1); }

  // Calls `found` once for each slot whose bit is set in `allowed` and that holds a term of
  // `query`, in no particular order, with its score. A term given twice counts twice. A bit beyond
  // the last appended slot is ignored.
  void Search(absl::Span<const std::string> query, const Bm25& bm25,
              absl::Span<const std::uint64_t> allowed,
              absl::FunctionRef<void(std::uint32_t slot, double score)> found) const;

  // What each term of `query` that `slot` holds adds to its score. Added up in this order they are
  // the score that Search finds, to the last bit. Costs a binary search a term.
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

  std::uint64_t documents() const { return documents_; }
  std::uint64_t terms() const { return active_terms_; }  // that at least one active document holds
  std::uint64_t total_length() const { return total_length_; }
  std::uint64_t memory_bytes() const;  // estimate

 private:
  struct Postings {
    std::vector<std::uint32_t> slots;   // ascending
    std::vector<std::uint16_t> counts;  // saturates: BM25 is flat long before 65,535 occurrences
    std::uint32_t documents = 0;        // active ones
  };

  void Count(const Document& document, int sign);

  absl::flat_hash_map<std::string, TermId> ids_;
  std::vector<Postings> postings_;      // by term
  std::vector<std::uint32_t> lengths_;  // by slot
  std::uint64_t documents_ = 0;
  std::uint64_t total_length_ = 0;
  std::uint64_t active_terms_ = 0;
  std::uint64_t posting_count_ = 0;
  std::uint64_t term_bytes_ = 0;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_INVERTED_INDEX_H_
