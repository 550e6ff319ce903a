// What a search reads of a collection's image: the two lists, and the exact scores of given chunks.
// Nothing else of the ranking touches the image.
#ifndef RAGMESH_LIBS_VECTOR_STORE_CANDIDATES_H_
#define RAGMESH_LIBS_VECTOR_STORE_CANDIDATES_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/lexical/query.h"
#include "libs/ranking/candidate.h"
#include "libs/stages/vector_store.h"
#include "libs/vector_index/top_k.h"
#include "libs/vector_store/dense_search.h"
#include "libs/vector_store/image.h"

namespace ragmesh::vector_store {

// One question to one moment of a collection. All borrowed.
struct SearchScope {
  const Image& image;
  const ImageView& view;
  const ChunkSets& allowed;       // chunks that may be found
  std::size_t dimension;          // of the collection's vectors
  absl::Span<const float> query;  // empty: no vectors are compared
  const lexical::Query& words;    // no clauses: no words are
  lexical::Bm25 bm25;
  DenseOptions dense;
};

// How DenseList finds its chunks, for explanations.
absl::string_view DensePlanName(const SearchScope& scope);

// The best `limit` chunks by cosine, and by BM25, best first, ties by chunk id.
absl::StatusOr<std::vector<vector_index::ScoredSlot>> DenseList(const SearchScope& scope,
                                                                std::size_t limit,
                                                                const CallContext& call);
// `prefix_cut` becomes true when a prefix stands for more terms than were taken.
absl::StatusOr<std::vector<vector_index::ScoredSlot>> LexicalList(const SearchScope& scope,
                                                                  std::size_t limit,
                                                                  bool* prefix_cut);

// Gives each candidate the score that its list did not: the cosine of its vector, or its BM25
// score, which is 0 without a term of the query. The scores are those its list would have given it.
absl::Status FillScores(const SearchScope& scope, std::vector<ranking::Candidate>* candidates);

// Cosine of two stored chunks.
absl::StatusOr<double> CosineOf(const SearchScope& scope, std::uint32_t a, std::uint32_t b);

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_CANDIDATES_H_
