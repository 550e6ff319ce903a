#include "libs/vector_index/margins.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ragmesh::vector_index {
namespace {

using linalg::kSignLanes;

// Of the neighbours that a recall allows to be lost, the share that lists may lose; estimates may
// lose the rest.
constexpr double kLostByLists = 0.6;

// For too few vectors to measure anything on: every list, and estimates three deviations off.
constexpr SearchMargins kCautious = {2, 1.8f};

// What all but a share of `needs` are content with.
float Quantile(std::vector<float>& needs, double share) {
  const auto at = static_cast<std::size_t>(static_cast<double>(needs.size()) * (1 - share));
  const auto nth = needs.begin() + static_cast<std::ptrdiff_t>(std::min(at, needs.size() - 1));
  std::nth_element(needs.begin(), nth, needs.end());
  return *nth;
}

}  // namespace

NearestRows::NearestRows(const linalg::Kernels& kernels, std::size_t dimension,
                         std::vector<float> queries, std::vector<std::uint32_t> rows, std::size_t k)
    : kernels_(kernels),
      dimension_(dimension),
      k_(k),
      queries_(std::move(queries)),
      rows_(std::move(rows)),
      packed_(kernels, linalg::Precision::kF32),
      nearest_(queries_.size() / dimension) {
  packed_.Pack(queries_.data(), size(), dimension_);
}

void NearestRows::Offer(std::uint32_t first, absl::Span<const float> vectors) {
  const std::size_t count = vectors.size() / dimension_;
  linalg::PackedRows packed(kernels_, linalg::Precision::kF32, dimension_);
  packed.Reset(count);
  for (std::size_t r = 0; r < count; ++r) packed.Set(r, vectors.data() + r * dimension_);
  std::vector<float> products(count * size());
  packed_.Multiply(packed, 0, count, {}, products.data(), size());
  for (std::size_t r = 0; r < count; ++r) {
    const std::uint32_t row = first + static_cast<std::uint32_t>(r);
    for (std::size_t q = 0; q < size(); ++q) {
      const float score = products[r * size() + q];
      std::vector<Neighbour>& best = nearest_[q];
      if (best.size() == k_ && !(score > best.back().score)) continue;
      if (!rows_.empty() && row == rows_[q]) continue;
      if (best.size() == k_) best.pop_back();
      const auto place = std::find_if(best.begin(), best.end(),
                                      [score](const Neighbour& n) { return n.score < score; });
      best.insert(place, {score, row});
    }
  }
}

std::array<SearchMargins, kRecallTargets.size()> MeasureMargins(const linalg::Kernels& kernels,
                                                                const CodedLists& lists,
                                                                const NearestRows& sample) {
  const Frame& frame = *lists.frame;
  std::vector<float> list_needs, code_needs;
  for (std::size_t q = 0; q < sample.size(); ++q) {
    if (sample.nearest(q).empty()) continue;
    // The difference of the two estimates is what a margin of 1 adds.
    const CodedQuery plain(frame, sample.query(q), 0), raised(frame, sample.query(q), 1);
    const float kth = sample.nearest(q).back().score;
    for (const NearestRows::Neighbour& neighbour : sample.nearest(q)) {
      const auto after = std::upper_bound(
          lists.entries.begin(), lists.entries.end(), neighbour.row,
          [](std::uint32_t row, const ListEntry& entry) { return row < entry.first_row; });
      const auto list = static_cast<std::size_t>(after - lists.entries.begin() - 1);
      const ListEntry& entry = lists.entries[list];
      const float cosine = kernels.dot(sample.query(q), lists.directions + list * frame.dimension(),
                                       frame.dimension());
      list_needs.push_back(kth - cosine);
      const std::uint32_t place = neighbour.row - entry.first_row;
      const std::uint8_t* const block =
          lists.blocks + (entry.first_block + place / kSignLanes) * frame.block_bytes();
      const float base = cosine * entry.length;
      float low[kSignLanes], high[kSignLanes], most;
      kernels.scan_signs(plain.scan(), &block, &base, 1, low, &most);
      kernels.scan_signs(raised.scan(), &block, &base, 1, high, &most);
      const float unit = high[place % kSignLanes] - low[place % kSignLanes];
      if (unit > 0) code_needs.push_back((kth - low[place % kSignLanes]) / unit);
    }
  }
  std::array<SearchMargins, kRecallTargets.size()> margins;
  for (std::size_t i = 0; i < margins.size(); ++i) {
    margins[i] = kCautious;
    const double lost = 1 - static_cast<double>(kRecallTargets[i]);
    const double by_lists = lists.entries.size() > 1 ? kLostByLists : 0;
    if (!list_needs.empty() && by_lists > 0)
      margins[i].list = Quantile(list_needs, lost * by_lists);
    if (!code_needs.empty()) margins[i].code = Quantile(code_needs, lost * (1 - by_lists));
  }
  return margins;
}

}  // namespace ragmesh::vector_index
