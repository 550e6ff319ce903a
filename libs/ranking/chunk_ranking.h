// The ranking of a search, wherever its lists come from: lists -> candidates -> one order -> hits.
#ifndef RAGMESH_LIBS_RANKING_CHUNK_RANKING_H_
#define RAGMESH_LIBS_RANKING_CHUNK_RANKING_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"
#include "libs/ranking/candidate.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::ranking {

// One chunk in a list, by an item number of the source's.
struct ListedChunk {
  std::uint32_t item = 0;
  double score = 0;
};

// What the ranking asks of a store, for one search. Only chunks that tenant, labels and filter of
// the search allow may be in a list. Items are numbers the source gives out as it likes, each chunk
// one. Not thread-safe.
class ListSource {
 public:
  virtual ~ListSource() = default;

  // The best `limit` chunks by cosine, and by BM25, best first, ties by chunk id.
  virtual absl::StatusOr<std::vector<ListedChunk>> DenseList(std::size_t limit,
                                                             const CallContext& call) = 0;
  virtual absl::StatusOr<std::vector<ListedChunk>> LexicalList(std::size_t limit,
                                                               const CallContext& call) = 0;
  // Gives each candidate the score that its list did not.
  virtual absl::Status FillScores(std::vector<Candidate>* candidates, const CallContext& call) = 0;
  // Makes Cosine answer for these items.
  virtual absl::Status PrepareCosines(const std::vector<std::uint32_t>& items,
                                      const CallContext& call) = 0;
  virtual double Cosine(std::uint32_t a, std::uint32_t b) const = 0;
  virtual absl::string_view ChunkId(std::uint32_t item) const = 0;
  // A number of the chunk's document.
  virtual std::uint64_t DocumentOf(std::uint32_t item) const = 0;
  // A step has ended: "dense", "lexical", "score", "fuse" or "select".
  virtual void Ended(const char* /*step*/) {}
};

struct RankedHit {
  Candidate candidate;
  double score = 0;  // what the order of hits is by
  std::optional<double> relevance;
  std::optional<double> similarity;
};

struct RankedHits {
  std::vector<RankedHit> hits;            // best first
  stages::SearchExplanation explanation;  // fusion, bm25, scales and counts
};

// `request` must be valid and its fusion and bm25 set. Hybrid: the best `fusion.candidates` of each
// list are candidates, all get both scores, and the fused order decides. Otherwise the one list's
// order does; it is as long as it must be to serve the quota of documents, at most
// `longest_list`. With diversity, hits are picked from the best of that order.
absl::StatusOr<RankedHits> RankChunks(const stages::SearchRequest& request, ListSource& source,
                                      std::size_t longest_list, const CallContext& call);

// A hit with the scores of its candidate, and without its chunk.
stages::SearchHit HitOf(const stages::SearchRequest& request, const RankedHit& ranked);

}  // namespace ragmesh::ranking

#endif  // RAGMESH_LIBS_RANKING_CHUNK_RANKING_H_
