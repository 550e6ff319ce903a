// The unigram language model of SentencePiece: cuts text into the pieces whose scores have the
// largest sum (Kudo, "Subword Regularization", 2018).
#ifndef RAGMESH_LIBS_TEXT_UNIGRAM_LATTICE_H_
#define RAGMESH_LIBS_TEXT_UNIGRAM_LATTICE_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace ragmesh::text {

// Thread-safe once all pieces are added.
class UnigramLattice {
 public:
  struct Segment {
    std::size_t begin = 0, end = 0;  // bytes of the text
    std::int64_t id = -1;            // -1: one character that no piece covers
  };

  // Longer pieces are left out, so that each character of a text takes a bounded time.
  static constexpr std::size_t kMaxPieceBytes = 256;

  void Reserve(std::size_t pieces) { pieces_.reserve(pieces); }

  // The first of several with one spelling counts. `score` is finite.
  void Add(absl::string_view spelling, std::uint32_t id, double score);

  // Of a character that no piece covers; below that of any piece.
  void SetUnknownScore(double score) { unknown_score_ = score; }

  // The segments of valid UTF-8 `text`, in order, without gaps.
  std::vector<Segment> Cut(absl::string_view text) const;

 private:
  struct Piece {
    std::uint32_t id;
    double score;
  };

  absl::flat_hash_map<std::string, Piece> pieces_;
  std::size_t longest_bytes_ = 0;
  double unknown_score_ = 0;
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_UNIGRAM_LATTICE_H_
