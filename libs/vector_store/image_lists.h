// What the ranking of a search reads of a collection's image: the two lists, and the exact scores
// of given chunks. Nothing else of it touches the image.
#ifndef RAGMESH_LIBS_VECTOR_STORE_IMAGE_LISTS_H_
#define RAGMESH_LIBS_VECTOR_STORE_IMAGE_LISTS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/base/call_context.h"
#include "libs/lexical/query.h"
#include "libs/ranking/chunk_ranking.h"
#include "libs/vector_store/dense_search.h"
#include "libs/vector_store/image.h"
#include "libs/vector_store/step_timer.h"

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

// Items are slots of the scope's view. Scores are exact: those of FillScores are those that the
// list would have given. Not thread-safe.
class ImageLists final : public ranking::ListSource {
 public:
  // Both borrowed.
  ImageLists(const SearchScope& scope, StepTimer* timer) : scope_(scope), timer_(*timer) {}

  // How dense lists find their chunks, for explanations.
  absl::string_view DensePlanName() const;
  // A prefix of the query stands for more terms than were searched.
  bool prefix_cut() const { return prefix_cut_; }

  absl::StatusOr<std::vector<ranking::ListedChunk>> DenseList(std::size_t limit,
                                                              const CallContext& call) override;
  absl::StatusOr<std::vector<ranking::ListedChunk>> LexicalList(std::size_t limit,
                                                                const CallContext& call) override;
  absl::Status FillScores(std::vector<ranking::Candidate>* candidates,
                          const CallContext& call) override;
  absl::Status PrepareCosines(const std::vector<std::uint32_t>& items,
                              const CallContext& call) override;
  double Cosine(std::uint32_t a, std::uint32_t b) const override;
  absl::string_view ChunkId(std::uint32_t item) const override {
    return scope_.view.chunk(item).id;
  }
  std::uint64_t DocumentOf(std::uint32_t item) const override {
    return scope_.view.chunk(item).document_number;
  }
  void Ended(const char* step) override { timer_.End(step); }

 private:
  const SearchScope& scope_;
  StepTimer& timer_;
  bool prefix_cut_ = false;
  absl::flat_hash_map<std::uint32_t, std::vector<float>> vectors_;  // of PrepareCosines
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_IMAGE_LISTS_H_
