// The unigram language model of SentencePiece: cuts text into the pieces whose scores have the
// largest sum (Kudo, "Subword Regularization", 2018).
#ifndef RAGMESH_LIBS_TEXT_UNIGRAM_LATTICE_H_
#define RAGMESH_LIBS_TEXT_UNIGRAM_LATTICE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::text {

// Immutable and thread-safe.
class UnigramLattice {
 public:
  struct Piece {
    std::string spelling;
    std::uint32_t id;
    double score;  // finite
  };

  struct Segment {
    std::size_t begin = 0, end = 0;  // bytes of the text
    std::int64_t id = -1;            // -1: one character that no piece covers
  };

  // Longer pieces are left out, so that each character of a text takes a bounded time.
  static constexpr std::size_t kMaxPieceBytes = 256;

  UnigramLattice() = default;

  // The first of several pieces with one spelling counts. `unknown_score`, that of a character
  // which no piece covers, is below that of any piece.
  UnigramLattice(std::vector<Piece> pieces, double unknown_score);

  // The segments of valid UTF-8 `text`, in order, without gaps.
  std::vector<Segment> Cut(absl::string_view text) const;

 private:
  // A tree of the pieces' bytes; the children of a node stand together, sorted.
  struct Node {
    std::uint32_t first_child = 0;
    std::uint32_t ending = 0;  // in endings_; 0: no piece ends here
    std::uint16_t children = 0;
    std::uint8_t byte = 0;
  };
  struct Ending {
    std::uint32_t id;
    double score;
  };

  const Node* Child(const Node& node, char byte) const;

  std::vector<Node> nodes_ = {{}};          // the root first
  std::vector<Ending> endings_ = {{0, 0}};  // of pieces, behind one that stands for none
  double unknown_score_ = 0;
};

}  // namespace ragmesh::text

#endif  // RAGMESH_LIBS_TEXT_UNIGRAM_LATTICE_H_
