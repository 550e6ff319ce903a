// Searches an index that is the sum of several parts: images, a mutable tail, minus what was
// deleted.
#ifndef RAGMESH_LIBS_LEXICAL_INDEX_SEARCH_H_
#define RAGMESH_LIBS_LEXICAL_INDEX_SEARCH_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/bm25.h"
#include "libs/lexical/conditions.h"
#include "libs/lexical/index_part.h"
#include "libs/lexical/query.h"
#include "libs/lexical/top_slots.h"

namespace ragmesh::lexical {

// What was deleted from an image since it was written, so that statistics count live chunks only.
// Not thread-safe; concurrent calls of const methods are fine.
class RemovedChunks {
 public:
  void Add(const ChunkTerms& terms);
  const CorpusStatistics& statistics() const { return statistics_; }
  std::uint32_t DocumentFrequency(absl::string_view term) const;

 private:
  CorpusStatistics statistics_;
  absl::flat_hash_map<std::string, std::uint32_t> documents_;  // by term
};

// Everything is borrowed. Slot n of the part is slot base + n of the whole; parts do not overlap.
struct SearchPart {
  const IndexPart* part = nullptr;
  std::uint32_t base = 0;
  absl::Span<const std::uint64_t> allowed;  // by slot of the part; live chunks only
  const RemovedChunks* removed = nullptr;   // null: nothing
};

// Of all parts together, as the scores see them.
CorpusStatistics TotalStatistics(absl::Span<const SearchPart> parts);

struct FoundSlots {
  std::vector<ScoredSlot> best;  // best first, by slot of the whole
  bool prefix_cut = false;       // a prefix stands for more terms than were taken
};

// A prefix stands for the kMaxPrefixTerms most frequent of the terms that begin with it, each a
// term of the query, out of the first kMaxPrefixCandidates of every part.
inline constexpr std::size_t kMaxPrefixTerms = 64;
inline constexpr std::size_t kMaxPrefixCandidates = 4096;

// The `k` best allowed chunks that hold what the query requires, nothing that it excludes, and at
// least one of its terms. Scores are sums over the terms in order of first occurrence, the same
// bits for whatever parts the index lies in. Statistics are summed once, and what one part found
// spares the next work. DATA_LOSS where an image turns out to follow no layout,
// FAILED_PRECONDITION / NO_POSITIONS on a phrase where an image was written without positions.
absl::StatusOr<FoundSlots> SearchIndex(absl::Span<const SearchPart> parts, const Query& query,
                                       const Bm25& bm25, std::size_t k, ComesFirst comes_first);

// Whether the query requires or excludes anything.
bool IsConditional(const Query& query);

// Of each part the allowed chunks that hold what the query requires and nothing that it excludes.
// Errors as above.
absl::StatusOr<std::vector<SlotBits>> MatchingSlots(absl::Span<const SearchPart> parts,
                                                    const Query& query);

// The score of each of `slots`, ascending slots of the whole, by the query's terms alone: whether a
// chunk is allowed and holds what is required is not looked at. 0 where no term occurs.
absl::StatusOr<std::vector<double>> ScoreIndex(absl::Span<const SearchPart> parts,
                                               const Query& query, const Bm25& bm25,
                                               absl::Span<const std::uint32_t> slots);

// What one term adds to a score: times * idf * frequency / (frequency + norm).
struct TermScore {
  std::string term;
  double times = 0;  // in the query
  double idf = 0;
  double frequency = 0;  // in the chunk, weighted by field; above 0
  double norm = 0;       // k1 * (1 - b + b * length / average length)
  double score = 0;
};

// Of each of `slots`, ascending slots of the whole, the terms that add to its score, in the order
// in which they are summed.
absl::StatusOr<std::vector<std::vector<TermScore>>> ExplainIndex(
    absl::Span<const SearchPart> parts, const Query& query, const Bm25& bm25,
    absl::Span<const std::uint32_t> slots);

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_INDEX_SEARCH_H_
