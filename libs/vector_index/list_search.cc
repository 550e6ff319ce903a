#include "libs/vector_index/list_search.h"

namespace ragmesh::vector_index {
namespace {

// When there are fewer allowed rows than one in so many, they are gone through without the lists.
constexpr std::uint64_t kSparse = 256;

// List numbers by product, the largest first; equal to within a 1024th of the range, by number.
void RankLists(absl::Span<const float> products, std::vector<std::uint32_t>* order) {
  constexpr std::size_t kBuckets = 1024;
  const auto [least, most] = std::minmax_element(products.begin(), products.end());
  const float scale = static_cast<float>(kBuckets - 1) / std::max(1e-6f, *most - *least);
  const auto bucket = [&, top = *most](float product) {
    return static_cast<std::size_t>((top - product) * scale);
  };
  std::array<std::uint32_t, kBuckets + 1> begin = {};
  for (const float product : products) ++begin[bucket(product) + 1];
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  order->resize(products.size());
  for (std::uint32_t i = 0; i < products.size(); ++i) (*order)[begin[bucket(products[i])]++] = i;
}

}  // namespace

ListScratch& ListScratch::OfThread() {
  thread_local ListScratch scratch;
  return scratch;
}

// The source of a ListIndex's search.
class IndexedRows {
 public:
  IndexedRows(const ListIndex& index, const linalg::Kernels& kernels, const CodedQuery& query)
      : index_(index), kernels_(kernels), query_(query), size_(index.frame().size()) {}

  absl::Span<const ListEntry> lists() const { return index_.lists(); }
  const std::uint8_t* block(std::uint32_t number) const {
    return index_.blocks_ + number * index_.frame().block_bytes();
  }
  void Score(absl::Span<const std::uint32_t> rows, float* scores) const {
    Products(index_.bytes_, rows, scores);
  }
  // Of the query with all directions.
  void Cosines(absl::Span<const std::uint32_t> every, float* cosines) const {
    Products(index_.directions_, every, cosines);
  }

 private:
  void Products(const std::int8_t* bytes, absl::Span<const std::uint32_t> rows, float* out) const {
    constexpr std::size_t kTogether = 64;
    std::int32_t products[kTogether];
    for (std::size_t first = 0; first < rows.size(); first += kTogether) {
      const std::size_t count = std::min(kTogether, rows.size() - first);
      kernels_.dot_listed_i8(query_.bytes(), bytes, size_, rows.data() + first, count, size_,
                             products);
      for (std::size_t i = 0; i < count; ++i)
        out[first + i] = query_.byte_scale() * static_cast<float>(products[i]);
    }
  }

  const ListIndex& index_;
  const linalg::Kernels& kernels_;
  const CodedQuery& query_;
  const std::size_t size_;
};

void ListIndex::Search(const linalg::Kernels& kernels, const CodedQuery& query,
                       const SearchMargins& margins, absl::Span<const std::uint64_t> allowed,
                       std::uint64_t allowed_count, std::uint32_t base,
                       Shortlist* shortlist) const {
  if (allowed_count == 0 || shortlist->k() == 0) return;
  const IndexedRows rows(*this, kernels, query);
  ListSearch search(rows, kernels, query.scan(), allowed, base, shortlist);
  if (allowed_count <= std::max<std::uint64_t>({rows_ / kSparse, kFewRows, shortlist->k()})) {
    search.SearchAllowed();
    return;
  }
  ListScratch& scratch = ListScratch::OfThread();
  const std::size_t known = scratch.every.size();
  if (known < entries_.size()) {
    scratch.every.resize(entries_.size());
    std::iota(scratch.every.begin() + static_cast<std::ptrdiff_t>(known), scratch.every.end(),
              static_cast<std::uint32_t>(known));
  }
  scratch.cosines.resize(entries_.size());
  rows.Cosines({scratch.every.data(), entries_.size()}, scratch.cosines.data());
  RankLists(scratch.cosines, &scratch.order);
  search.SearchLists(scratch.order, scratch.cosines, margins.list);
}

}  // namespace ragmesh::vector_index
