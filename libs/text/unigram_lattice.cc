#include "libs/text/unigram_lattice.h"

#include <algorithm>

#include "libs/text/utf8.h"

namespace ragmesh::text {

void UnigramLattice::Add(absl::string_view spelling, std::uint32_t id, double score) {
  if (spelling.empty() || spelling.size() > kMaxPieceBytes) return;
  longest_bytes_ = std::max(longest_bytes_, spelling.size());
  pieces_.emplace(spelling, Piece{id, score});
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
    for (std::size_t to = next; to <= text.size() && to - from <= longest_bytes_;) {
      if (const auto piece = pieces_.find(text.substr(from, to - from)); piece != pieces_.end()) {
        offer(from, to, piece->second.id, piece->second.score);
        single = single || to == next;
      }
      if (to == text.size()) break;
      to += DecodeUtf8(text, to).size;
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
