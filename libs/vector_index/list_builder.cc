#include "libs/vector_index/list_builder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <utility>

#include "libs/base/check.h"
#include "libs/base/status_macros.h"
#include "libs/vector_index/clustering.h"
#include "libs/vector_index/list_layout.h"
#include "libs/vector_index/margins.h"

namespace ragmesh::vector_index {
namespace {

using linalg::kSignLanes;

// Below this a scan of all signs takes as long as looking at lists first.
constexpr std::uint32_t kRowsWorthLists = 16'384;
// Shorter lists leave out more, and fill their last block worse. Half as many take a quarter of the
// time to train, and below so many rows searches are as fast with them.
constexpr std::uint32_t kRowsPerList = 160;
constexpr std::uint32_t kRowsPerLongList = 320;
constexpr std::uint32_t kRowsWorthShortLists = 262'144;
constexpr std::uint32_t kMaxLists = 65'536;
constexpr std::uint32_t kSamplePerList = 32;
constexpr std::uint32_t kRowsPerRead = 256;

constexpr std::uint32_t kMarginQueries = 384;
constexpr std::size_t kMarginNeighbours = 10;

std::uint32_t ListsFor(std::uint32_t rows) {
  if (rows < kRowsWorthLists) return 1;
  const std::uint32_t each = rows < kRowsWorthShortLists ? kRowsPerLongList : kRowsPerList;
  return std::min(rows / each, kMaxLists);
}

// `count` of `rows` rows at equal distances.
std::vector<std::uint32_t> Spread(std::uint32_t rows, std::uint32_t count) {
  count = std::min(rows, count);
  std::vector<std::uint32_t> picked(count);
  for (std::uint32_t i = 0; i < count; ++i)
    picked[i] = static_cast<std::uint32_t>(std::uint64_t{i} * rows / count);
  return picked;
}

float Length(const float* row, std::size_t n) {
  double squares = 0;
  for (std::size_t i = 0; i < n; ++i) squares += static_cast<double>(row[i]) * row[i];
  return static_cast<float>(std::sqrt(squares));
}

absl::string_view BytesOf(const void* data, std::size_t size) {
  return {static_cast<const char*>(data), size};
}

}  // namespace

ListBuilder::ListBuilder(const linalg::Kernels& kernels, std::size_t dimension, std::uint32_t rows)
    : kernels_(&kernels), dimension_(dimension), rows_(rows), mean_(dimension, 0.0f) {}

absl::StatusOr<ListBuilder> ListBuilder::Plan(const linalg::Kernels& kernels, std::size_t dimension,
                                              std::uint32_t rows, std::uint32_t lists,
                                              ReadVectors read, const CallContext& call) {
  RAGMESH_CHECK(rows > 0 && lists <= rows, "a list for no vectors");
  ListBuilder builder(kernels, dimension, rows);
  if (lists == 0) lists = ListsFor(rows);
  const std::vector<std::uint32_t> picked = Spread(rows, lists == 1 ? 1 : lists * kSamplePerList);
  std::vector<float> sample(picked.size() * dimension);
  RAGMESH_RETURN_IF_ERROR(read(picked, sample.data()));
  RAGMESH_ASSIGN_OR_RETURN(const Clusters clusters,
                           Clusters::Train(kernels, sample, dimension, lists, call));
  sample = {};
  // Which list each row goes to, and the sum of each list's.
  std::vector<std::uint32_t> assigned(rows), numbers(kRowsPerRead);
  builder.directions_.assign(lists * dimension, 0.0f);
  std::vector<float> vectors(kRowsPerRead * dimension);
  for (std::uint32_t first = 0; first < rows; first += kRowsPerRead) {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    const std::uint32_t count = std::min(kRowsPerRead, rows - first);
    numbers.resize(count);
    std::iota(numbers.begin(), numbers.end(), first);
    RAGMESH_RETURN_IF_ERROR(read(numbers, vectors.data()));
    const auto part = absl::MakeSpan(assigned).subspan(first, count);
    clusters.Assign({vectors.data(), count * dimension}, part);
    for (std::uint32_t r = 0; r < count; ++r) {
      kernels.add_scaled(1, vectors.data() + r * dimension,
                         builder.directions_.data() + part[r] * dimension, dimension);
    }
  }
  builder.Arrange(assigned);
  return builder;
}

// From the list of each row and the sums of lists: the order of rows, entries, directions and the
// mean of all.
void ListBuilder::Arrange(absl::Span<const std::uint32_t> assigned) {
  const std::size_t lists = directions_.size() / dimension_;
  entries_.resize(lists);
  for (const std::uint32_t list : assigned) ++entries_[list].rows;
  std::uint32_t row = 0;
  std::vector<std::uint32_t> next(lists);
  for (std::size_t list = 0; list < lists; ++list) {
    ListEntry& entry = entries_[list];
    entry.first_row = next[list] = row;
    entry.first_block = blocks_;
    row += entry.rows;
    blocks_ += (entry.rows + kSignLanes - 1) / kSignLanes;
    float* const direction = directions_.data() + list * dimension_;
    kernels_->add_scaled(1 / static_cast<float>(rows_), direction, mean_.data(), dimension_);
    const float length = Length(direction, dimension_);
    entry.length = entry.rows == 0 ? 0 : length / static_cast<float>(entry.rows);
    if (length > 0) kernels_->scale(1 / length, direction, dimension_);
  }
  order_.resize(rows_);
  for (std::uint32_t old = 0; old < rows_; ++old) order_[next[assigned[old]]++] = old;
}

absl::StatusOr<NearestRows> ListBuilder::Sample(ReadVectors read,
                                                absl::Span<const float> queries) const {
  if (queries.size() >= kFewestQueries * dimension_) {
    return NearestRows(*kernels_, dimension_, {queries.begin(), queries.end()}, {},
                       kMarginNeighbours);
  }
  std::vector<std::uint32_t> rows = Spread(rows_, kMarginQueries), numbers;
  for (const std::uint32_t row : rows) numbers.push_back(order_[row]);
  std::vector<float> vectors(rows.size() * dimension_);
  RAGMESH_RETURN_IF_ERROR(read(numbers, vectors.data()));
  return NearestRows(*kernels_, dimension_, std::move(vectors), std::move(rows), kMarginNeighbours);
}

absl::Status ListBuilder::Write(ReadVectors read, absl::Span<const float> queries,
                                AppendBytes lists, AppendBytes bytes, AppendBytes exact,
                                const CallContext& call) const {
  const Frame frame(dimension_, mean_);
  const ListLayout layout(dimension_, frame.size(), frame.block_bytes(), entries_.size(), blocks_);
  linalg::AlignedBytes memory;
  memory.Reserve(layout.end);
  auto* const file = reinterpret_cast<std::uint8_t*>(memory.data());
  std::memset(file, 0, layout.end);
  std::memcpy(file + layout.mean, mean_.data(), dimension_ * sizeof(float));
  std::memcpy(file + layout.entries, entries_.data(), entries_.size() * sizeof(ListEntry));

  RAGMESH_ASSIGN_OR_RETURN(NearestRows nearest, Sample(read, queries));

  std::vector<float> vectors(kRowsPerRead * dimension_);
  std::vector<float> turned(frame.size()), turned_centre(frame.size());
  std::vector<std::int8_t> row_bytes(kRowsPerRead * frame.size());
  for (std::size_t list = 0; list < entries_.size(); ++list) {
    const ListEntry& entry = entries_[list];
    frame.rotation().Apply(directions_.data() + list * dimension_, turned_centre.data());
    frame.ToBytes(turned_centre.data(),
                  reinterpret_cast<std::int8_t*>(file + layout.directions + list * frame.size()));
    kernels_->scale(entry.length, turned_centre.data(), frame.size());
    std::unique_ptr<SignBlock> block;
    for (std::uint32_t done = 0; done < entry.rows; done += kRowsPerRead) {
      RAGMESH_RETURN_IF_ERROR(call.Check());
      const std::uint32_t count = std::min(kRowsPerRead, entry.rows - done);
      const std::uint32_t first = entry.first_row + done;
      RAGMESH_RETURN_IF_ERROR(
          read(absl::MakeConstSpan(order_).subspan(first, count), vectors.data()));
      nearest.Offer(first, {vectors.data(), count * dimension_});
      RAGMESH_RETURN_IF_ERROR(exact(BytesOf(vectors.data(), count * dimension_ * sizeof(float))));
      for (std::uint32_t r = 0; r < count; ++r) {
        frame.rotation().Apply(vectors.data() + r * dimension_, turned.data());
        frame.ToBytes(turned.data(), row_bytes.data() + r * frame.size());
        const std::uint32_t place = done + r;
        if (place % kSignLanes == 0) {
          block = std::make_unique<SignBlock>(
              frame, file + layout.sign_blocks +
                         (entry.first_block + place / kSignLanes) * frame.block_bytes());
        }
        block->Set(place % kSignLanes, turned.data(), turned_centre.data());
      }
      RAGMESH_RETURN_IF_ERROR(bytes(BytesOf(row_bytes.data(), count * frame.size())));
    }
  }
  ListHeader header = {};
  std::memcpy(header.magic, kListMagic, sizeof(kListMagic));
  header.dimension = static_cast<std::uint32_t>(dimension_);
  header.rows = rows_;
  header.lists = static_cast<std::uint32_t>(entries_.size());
  header.blocks = blocks_;
  const auto margins = MeasureMargins(
      *kernels_, {&frame, entries_, directions_.data(), file + layout.sign_blocks}, nearest);
  std::copy(margins.begin(), margins.end(), header.margins);
  std::memcpy(file, &header, sizeof(header));
  return lists(BytesOf(file, layout.end));
}

}  // namespace ragmesh::vector_index
