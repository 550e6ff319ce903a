#include "libs/text/unigram_lattice.h"

#include <algorithm>
#include <limits>

#include "libs/text/utf8.h"

namespace ragmesh::text {
namespace {

std::uint8_t ByteAt(const UnigramLattice::Piece& piece, std::size_t at) {
  return static_cast<std::uint8_t>(piece.spelling[at]);
}

}  // namespace

UnigramLattice::UnigramLattice(std::vector<Piece> pieces, double unknown_score)
    : unknown_score_(unknown_score) {
  pieces.erase(std::remove_if(pieces.begin(), pieces.end(),
                              [](const Piece& piece) {
                                return piece.spelling.empty() ||
                                       piece.spelling.size() > kMaxPieceBytes;
                              }),
               pieces.end());
  std::stable_sort(pieces.begin(), pieces.end(),
                   [](const Piece& a, const Piece& b) { return a.spelling < b.spelling; });
  // Breadth first: a node's pieces are those that begin with its bytes.
  struct Range {
    std::size_t first, last, size;  // of `pieces`; bytes that they share
  };
  std::vector<Range> ranges = {{0, pieces.size(), 0}};
  for (std::size_t at = 0; at < ranges.size(); ++at) {
    auto [first, last, size] = ranges[at];
    if (first < last && pieces[first].spelling.size() == size) {
      nodes_[at].ending = static_cast<std::uint32_t>(endings_.size());
      endings_.push_back({pieces[first].id, pieces[first].score});
      while (first < last && pieces[first].spelling.size() == size) ++first;
    }
    nodes_[at].first_child = static_cast<std::uint32_t>(nodes_.size());
    while (first < last) {
      const std::uint8_t byte = ByteAt(pieces[first], size);
      std::size_t next = first + 1;
      while (next < last && ByteAt(pieces[next], size) == byte) ++next;
      nodes_.emplace_back().byte = byte;
      ++nodes_[at].children;
      ranges.push_back({first, next, size + 1});
      first = next;
    }
  }
}

const UnigramLattice::Node* UnigramLattice::Child(const Node& node, char byte) const {
  const auto wanted = static_cast<std::uint8_t>(byte);
  const Node* first = nodes_.data() + node.first_child;
  const Node* last = first + node.children;
  const Node* child =
      std::partition_point(first, last, [wanted](const Node& n) { return n.byte < wanted; });
  return child != last && child->byte == wanted ? child : nullptr;
}

// The best way to every place between two characters, from the front.
std::vector<UnigramLattice::Segment> UnigramLattice::Cut(absl::string_view text) const {
  struct Step {
    double score = -std::numeric_limits<double>::infinity();
    std::size_t from = 0;
    std::int64_t id = -1;
  };
  std::vector<Step> steps(text.size() + 1);
  steps[0].score = 0;
  const auto offer = [&](std::size_t from, std::size_t to, std::int64_t id, double score) {
    if (steps[from].score + score > steps[to].score)
      steps[to] = {steps[from].score + score, from, id};
  };
  for (std::size_t from = 0; from < text.size();) {
    const std::size_t next = from + DecodeUtf8(text, from).size;
    bool single = false;
    const Node* node = nodes_.data();
    for (std::size_t to = from; to < text.size();) {
      node = Child(*node, text[to++]);
      if (node == nullptr) break;
      if (node->ending == 0) continue;
      offer(from, to, endings_[node->ending].id, endings_[node->ending].score);
      single = single || to == next;
    }
    if (!single) offer(from, next, -1, unknown_score_);
    from = next;
  }
  std::vector<Segment> segments;
  for (std::size_t to = text.size(); to > 0; to = steps[to].from)
    segments.push_back({steps[to].from, to, steps[to].id});
  std::reverse(segments.begin(), segments.end());
  return segments;
}

}  // namespace ragmesh::text
