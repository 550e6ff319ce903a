#include "libs/vector_index/list_index.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/vector_index/list_layout.h"

namespace ragmesh::vector_index {
namespace {

constexpr std::uint32_t kMaxDimension = 4096;

absl::Status Damaged(absl::string_view problem) { return Corrupt("vector index", problem); }

bool IsAligned(absl::string_view bytes) {
  return reinterpret_cast<std::uintptr_t>(bytes.data()) % 64 == 0;
}

// Lists lie one behind the other, in rows and in blocks, without gaps.
absl::Status CheckEntries(absl::Span<const ListEntry> entries, std::uint32_t rows,
                          std::uint32_t blocks) {
  std::uint64_t row = 0, block = 0;
  for (const ListEntry& entry : entries) {
    if (entry.first_row != row || entry.first_block != block || entry.rows > rows - row)
      return Damaged("has lists that do not follow one another");
    if (!std::isfinite(entry.length)) return Damaged("has a list without a length");
    row += entry.rows;
    block += (static_cast<std::uint64_t>(entry.rows) + linalg::kSignLanes - 1) / linalg::kSignLanes;
  }
  if (row != rows || block != blocks) return Damaged("has lists that do not hold all its rows");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ListIndex> ListIndex::Open(absl::string_view lists, absl::string_view bytes) {
  ListHeader header;
  if (lists.size() < sizeof(header)) return Damaged("is cut off in its header");
  std::memcpy(&header, lists.data(), sizeof(header));
  if (std::memcmp(header.magic, kListMagic, sizeof(kListMagic)) != 0)
    return Damaged("does not begin like one");
  if (header.dimension == 0 || header.dimension > kMaxDimension || header.lists == 0 ||
      header.lists > std::uint64_t{header.rows} + 1 || header.blocks > header.rows)
    return Damaged("has impossible sizes");
  if (!IsAligned(lists) || !IsAligned(bytes)) return Damaged("does not lie at a multiple of 64");
  const std::uint64_t mean_bytes = std::uint64_t{header.dimension} * sizeof(float);
  if (lists.size() < sizeof(header) + mean_bytes) return Damaged("is cut off in its mean");
  std::vector<float> mean(header.dimension);
  std::memcpy(mean.data(), lists.data() + sizeof(header), mean_bytes);
  for (const float value : mean) {
    if (!std::isfinite(value)) return Damaged("has a mean that is not a number");
  }
  ListIndex index;
  index.frame_ = std::make_shared<const Frame>(header.dimension, mean);
  const ListLayout layout(header.dimension, index.frame_->size(), index.frame_->block_bytes(),
                          header.lists, header.blocks);
  if (lists.size() != layout.end) {
    return Damaged(absl::StrCat("has ", lists.size(), " bytes instead of ", layout.end));
  }
  if (bytes.size() != std::uint64_t{header.rows} * index.frame_->size())
    return Damaged("lacks rows of bytes");
  index.rows_ = header.rows;
  for (std::size_t i = 0; i < kRecallTargets.size(); ++i) {
    index.margins_[i] = header.margins[i];
    if (!std::isfinite(header.margins[i].list) || !std::isfinite(header.margins[i].code))
      return Damaged("has a margin that is not a number");
  }
  index.entries_ = {reinterpret_cast<const ListEntry*>(lists.data() + layout.entries),
                    header.lists};
  if (absl::Status status = CheckEntries(index.entries_, header.rows, header.blocks); !status.ok())
    return status;
  index.directions_ = reinterpret_cast<const std::int8_t*>(lists.data() + layout.directions);
  index.blocks_ = reinterpret_cast<const std::uint8_t*>(lists.data() + layout.sign_blocks);
  index.bytes_ = reinterpret_cast<const std::int8_t*>(bytes.data());
  return index;
}

SearchMargins ListIndex::MarginsFor(float recall) const {
  const auto above = std::lower_bound(kRecallTargets.begin(), kRecallTargets.end(), recall);
  if (above == kRecallTargets.begin()) return margins_.front();
  if (above == kRecallTargets.end()) return margins_.back();
  const auto high = static_cast<std::size_t>(above - kRecallTargets.begin());
  const float share =
      (recall - kRecallTargets[high - 1]) / (kRecallTargets[high] - kRecallTargets[high - 1]);
  return {std::lerp(margins_[high - 1].list, margins_[high].list, share),
          std::lerp(margins_[high - 1].code, margins_[high].code, share)};
}

}  // namespace ragmesh::vector_index
