#include "libs/vector_index/growing_codes.h"

#include <bit>
#include <utility>

#include "libs/base/check.h"
#include "libs/vector_index/list_search.h"

namespace ragmesh::vector_index {
namespace {

using linalg::kSignLanes;

// Rows in memory as one list around the frame's mean.
class GrowingRows {
 public:
  GrowingRows(const linalg::Kernels& kernels, const CodeView& codes, const RowView& rows,
              const float* query)
      : kernels_(kernels),
        codes_(codes),
        rows_(rows),
        query_(query),
        entry_{.rows = codes.rows, .length = 1} {}

  absl::Span<const ListEntry> lists() const { return {&entry_, 1}; }
  const std::uint8_t* block(std::uint32_t number) const {
    return reinterpret_cast<const std::uint8_t*>((*codes_.blocks)[number].data());
  }
  void Score(absl::Span<const std::uint32_t> rows, float* scores) const {
    const std::size_t bytes = rows_.dimension * sizeof(float);
    for (const std::uint32_t row : rows) {
      for (std::size_t byte = 0; byte < bytes; byte += 64)
        __builtin_prefetch(reinterpret_cast<const char*>(rows_.Row(row)) + byte);
    }
    for (std::size_t i = 0; i < rows.size(); ++i)
      scores[i] = kernels_.dot(query_, rows_.Row(rows[i]), rows_.dimension);
  }

 private:
  const linalg::Kernels& kernels_;
  const CodeView& codes_;
  const RowView& rows_;
  const float* const query_;
  const ListEntry entry_;
};

}  // namespace

GrowingCodes::GrowingCodes(std::shared_ptr<const Frame> frame) : frame_(std::move(frame)) {}

void GrowingCodes::Append(absl::Span<const float> vector) {
  RAGMESH_CHECK(vector.size() == frame_->dimension(), "a row has the index's dimension");
  const std::size_t at = waiting_.size();
  waiting_.resize(at + frame_->size());
  frame_->rotation().Apply(vector.data(), waiting_.data() + at);
  if (waiting_.size() < kSignLanes * frame_->size()) return;
  linalg::AlignedBytes memory;
  memory.Reserve(frame_->block_bytes());
  SignBlock block(*frame_, reinterpret_cast<std::uint8_t*>(memory.data()));
  for (std::size_t lane = 0; lane < kSignLanes; ++lane)
    block.Set(lane, waiting_.data() + lane * frame_->size(), frame_->turned_mean().data());
  blocks_.Append(std::move(memory));
  waiting_.clear();
}

void SearchGrowing(const linalg::Kernels& kernels, const CodeView& codes, const RowView& rows,
                   const float* query, const CodedQuery& coded,
                   absl::Span<const std::uint64_t> allowed, std::uint64_t allowed_count,
                   std::uint32_t base, Shortlist* shortlist) {
  if (shortlist->k() == 0) return;
  const GrowingRows source(kernels, codes, rows, query);
  ListSearch search(source, kernels, coded.scan(), allowed, base, shortlist);
  if (allowed_count <= kFewRows) {
    search.SearchAllowed();
    return;
  }
  // The newest rows, which have no codes yet, set a bar for the others.
  for (std::uint32_t row = codes.rows; row < rows.rows; ++row) {
    if (row / 64 >= allowed.size() || ((allowed[row / 64] >> (row % 64)) & 1) == 0) continue;
    float score;
    source.Score({&row, 1}, &score);
    shortlist->Offer(base + row, score);
  }
  if (codes.rows == 0) return;
  const std::uint32_t only = 0;
  const float mean = coded.mean_product();
  search.SearchLists({&only, 1}, {&mean, 1}, std::numeric_limits<float>::infinity());
}

}  // namespace ragmesh::vector_index
