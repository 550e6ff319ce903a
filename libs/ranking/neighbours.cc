#include "libs/ranking/neighbours.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace ragmesh::ranking {
namespace {

struct Cover {
  std::size_t hit = 0;
  std::uint64_t document = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;  // exclusive
};

// Numbers the runs of covers, which are sorted by document and begin.
void NumberRuns(absl::Span<const Cover> covers, std::vector<Surroundings>* surroundings) {
  std::vector<std::size_t> run_of(covers.size());
  std::vector<std::size_t> best;  // by run: its first hit
  std::uint32_t reach = 0;
  for (std::size_t i = 0; i < covers.size(); ++i) {
    const Cover& cover = covers[i];
    const bool touches = i > 0 && covers[i - 1].document == cover.document && cover.begin <= reach;
    if (touches) {
      reach = std::max(reach, cover.end);
      best.back() = std::min(best.back(), cover.hit);
    } else {
      reach = cover.end;
      best.push_back(cover.hit);
    }
    run_of[i] = best.size() - 1;
  }
  std::vector<std::size_t> sorted = best;
  std::sort(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < covers.size(); ++i) {
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), best[run_of[i]]);
    (*surroundings)[covers[i].hit].run = static_cast<std::uint32_t>(at - sorted.begin()) + 1;
  }
}

}  // namespace

std::vector<Surroundings> Surround(absl::Span<const Place> hits,
                                   const stages::NeighbourWindow& window,
                                   absl::FunctionRef<std::uint32_t(std::uint64_t)> chunks_of) {
  std::vector<Surroundings> surroundings(hits.size());
  std::vector<Cover> covers;
  absl::flat_hash_set<std::pair<std::uint64_t, std::uint32_t>> shown;
  for (std::size_t i = 0; i < hits.size(); ++i) {
    const Place& place = hits[i];
    const std::uint64_t end = std::min<std::uint64_t>(
        chunks_of(place.document), std::uint64_t{place.position} + window.after + 1);
    covers.push_back({i, place.document, place.position - std::min(place.position, window.before),
                      static_cast<std::uint32_t>(end)});
    shown.emplace(place.document, place.position);
  }
  for (const Cover& cover : covers) {
    for (std::uint32_t position = cover.begin; position < cover.end; ++position) {
      if (shown.emplace(cover.document, position).second)
        surroundings[cover.hit].positions.push_back(position);
    }
  }
  std::sort(covers.begin(), covers.end(), [](const Cover& a, const Cover& b) {
    return std::tie(a.document, a.begin, a.hit) < std::tie(b.document, b.begin, b.hit);
  });
  NumberRuns(covers, &surroundings);
  return surroundings;
}

}  // namespace ragmesh::ranking
