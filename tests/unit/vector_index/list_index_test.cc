#include "libs/vector_index/list_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "libs/testing/status_matchers.h"
#include "libs/vector_index/list_builder.h"
#include "libs/vector_index/list_layout.h"
#include "libs/vector_index/slot_set.h"
#include "tests/unit/vector_index/vectors.h"

namespace ragmesh::vector_index {
namespace {

using ::ragmesh::testing::HasReason;

const CallContext kCall(absl::InfiniteFuture());

// Vectors around some centres, which lie around one point: as embeddings of passages do.
struct Data {
  Data(std::size_t dimension, std::uint32_t rows, unsigned seed) : dimension(dimension) {
    std::mt19937 random(seed);
    const std::vector<float> middle = RandomUnit(dimension, random);
    std::vector<std::vector<float>> centres;
    for (std::uint32_t i = 0; i < 1 + rows / 100; ++i)
      centres.push_back(RandomUnit(dimension, random, middle));
    for (std::uint32_t i = 0; i < rows; ++i)
      vectors.push_back(RandomUnit(dimension, random, centres[random() % centres.size()]));
    for (int i = 0; i < 60; ++i)
      queries.push_back(RandomUnit(dimension, random, centres[random() % centres.size()]));
  }
  absl::Status Read(absl::Span<const std::uint32_t> rows, float* out) const {
    for (const std::uint32_t row : rows) {
      out = std::copy(vectors[row].begin(), vectors[row].end(), out);
    }
    return absl::OkStatus();
  }
  const std::size_t dimension;
  std::vector<std::vector<float>> vectors, queries;
};

struct Built {
  std::vector<std::uint32_t> order;
  std::string lists, bytes, exact;
};

Built Build(const Data& data, std::uint32_t lists) {
  const auto read = [&](absl::Span<const std::uint32_t> rows, float* out) {
    return data.Read(rows, out);
  };
  const auto builder =
      ListBuilder::Plan(linalg::DefaultKernels(), data.dimension,
                        static_cast<std::uint32_t>(data.vectors.size()), lists, read, kCall);
  EXPECT_TRUE(builder.ok()) << builder.status();
  Built built;
  built.order.assign(builder->order().begin(), builder->order().end());
  const auto to = [](std::string* file) {
    return [file](absl::string_view part) {
      file->append(part.data(), part.size());
      return absl::OkStatus();
    };
  };
  EXPECT_TRUE(
      builder->Write(read, {}, to(&built.lists), to(&built.bytes), to(&built.exact), kCall).ok());
  return built;
}

// Bytes at a multiple of 64.
class Aligned {
 public:
  explicit Aligned(absl::string_view bytes) : size_(bytes.size()) {
    memory_.Reserve(bytes.size());
    std::memcpy(memory_.data(), bytes.data(), bytes.size());
  }
  absl::string_view view() const { return {reinterpret_cast<const char*>(memory_.data()), size_}; }

 private:
  linalg::AlignedBytes memory_;
  std::size_t size_;
};

float Product(const std::vector<float>& a, const std::vector<float>& b) {
  return linalg::DefaultKernels().dot(a.data(), b.data(), a.size());
}

// The share of the k nearest of `allowed` that the index finds, over all queries.
double Recall(const Data& data, const Built& built, const ListIndex& index, const SlotSet& allowed,
              std::size_t k, float target) {
  double found = 0, wanted = 0;
  for (const std::vector<float>& vector : data.queries) {
    std::vector<std::pair<float, std::uint32_t>> exact;
    for (std::uint32_t row = 0; row < index.rows(); ++row) {
      if (allowed.Contains(row))
        exact.emplace_back(-Product(vector, data.vectors[built.order[row]]), row);
    }
    std::sort(exact.begin(), exact.end());
    exact.resize(std::min(k, exact.size()));
    const SearchMargins margins = index.MarginsFor(target);
    const CodedQuery query(index.frame(), vector.data(), margins.code);
    Shortlist shortlist(k, index.frame().byte_slack());
    index.Search(linalg::DefaultKernels(), query, margins, allowed.words(), allowed.Count(), 1000,
                 &shortlist);
    std::set<std::uint32_t> rows;
    for (const Shortlist::Entry& entry : shortlist.Take()) {
      EXPECT_TRUE(allowed.Contains(entry.row - 1000));
      EXPECT_TRUE(rows.insert(entry.row - 1000).second) << "a row twice";
    }
    for (const auto& [score, row] : exact) found += rows.contains(row) ? 1 : 0;
    wanted += static_cast<double>(exact.size());
  }
  return wanted == 0 ? 1 : found / wanted;
}

SlotSet Every(std::uint32_t rows, double share, unsigned seed) {
  std::mt19937 random(seed);
  SlotSet set(rows);
  for (std::uint32_t row = 0; row < rows; ++row) {
    if (std::uniform_real_distribution<double>(0, 1)(random) < share) set.Add(row);
  }
  return set;
}

TEST(ListIndexTest, RowsFollowTheOrderThatWasPlanned) {
  const Data data(40, 3000, 1);
  const Built built = Build(data, 20);
  std::vector<std::uint32_t> sorted = built.order;
  std::sort(sorted.begin(), sorted.end());
  for (std::uint32_t i = 0; i < 3000; ++i) ASSERT_EQ(sorted[i], i);
  ASSERT_EQ(built.exact.size(), 3000 * 40 * sizeof(float));
  for (std::uint32_t row = 0; row < 3000; ++row) {
    EXPECT_EQ(
        std::memcmp(built.exact.data() + row * 160, data.vectors[built.order[row]].data(), 160), 0);
  }
  const Aligned lists(built.lists), bytes(built.bytes);
  const auto index = ListIndex::Open(lists.view(), bytes.view());
  ASSERT_TRUE(index.ok()) << index.status();
  EXPECT_EQ(index->rows(), 3000u);
  EXPECT_EQ(index->lists().size(), 20u);
}

TEST(ListIndexTest, FindsWhatIsNearestAtEverySize) {
  for (const std::uint32_t rows : {1, 2, 10, 63, 64, 65, 500, 3000, 20'000}) {
    const Data data(96, rows, rows);
    for (const std::uint32_t lists : {1u, 0u, std::min(rows, 50u)}) {
      const Built built = Build(data, lists);
      const Aligned lists_file(built.lists), bytes(built.bytes);
      const auto index = ListIndex::Open(lists_file.view(), bytes.view());
      ASSERT_TRUE(index.ok()) << index.status();
      EXPECT_GE(Recall(data, built, *index, Every(rows, 1, 1), 10, 0.99f), 0.985)
          << rows << " rows in " << index->lists().size() << " lists";
      EXPECT_GE(Recall(data, built, *index, Every(rows, 1, 1), 1000, 0.99f), 0.985) << rows;
    }
  }
}

TEST(ListIndexTest, FindsWhatIsNearestAmongWhatIsAllowed) {
  const std::uint32_t rows = 20'000;
  const Data data(96, rows, 7);
  const Built built = Build(data, 100);
  const Aligned lists(built.lists), bytes(built.bytes);
  const auto index = ListIndex::Open(lists.view(), bytes.view());
  ASSERT_TRUE(index.ok());
  for (const double share : {0.5, 0.1, 0.01, 0.003, 0.0005, 0.0})
    EXPECT_GE(Recall(data, built, *index, Every(rows, share, 3), 10, 0.99f), 0.985) << share;
  // What is allowed lies in a corner: one list and its neighbours.
  SlotSet corner(rows);
  for (std::uint32_t row = 5000; row < 5400; ++row) corner.Add(row);
  EXPECT_GE(Recall(data, built, *index, corner, 10, 0.99f), 0.985);
}

TEST(ListIndexTest, MarginsGrowWithTheRecallAskedFor) {
  const Data data(96, 20'000, 9);
  const Built built = Build(data, 100);
  const Aligned lists(built.lists), bytes(built.bytes);
  const auto index = ListIndex::Open(lists.view(), bytes.view());
  ASSERT_TRUE(index.ok());
  for (std::size_t i = 1; i < kRecallTargets.size(); ++i) {
    EXPECT_GE(index->MarginsFor(kRecallTargets[i]).list,
              index->MarginsFor(kRecallTargets[i - 1]).list);
    EXPECT_GE(index->MarginsFor(kRecallTargets[i]).code,
              index->MarginsFor(kRecallTargets[i - 1]).code);
  }
  EXPECT_EQ(index->MarginsFor(1.0f).list, index->MarginsFor(kRecallTargets.back()).list);
}

TEST(ListIndexTest, EqualVectorsMakeOneIndexAndAreAllFound) {
  Data data(24, 300, 1);
  for (auto& vector : data.vectors) vector = data.vectors[0];
  const Built built = Build(data, 7);
  const Aligned lists(built.lists), bytes(built.bytes);
  const auto index = ListIndex::Open(lists.view(), bytes.view());
  ASSERT_TRUE(index.ok());
  EXPECT_EQ(Recall(data, built, *index, Every(300, 1, 1), 300, 0.999f), 1);
}

TEST(ListIndexTest, RefusesDamagedFilesAndNeverReadsOutsideThem) {
  const Data data(24, 500, 1);
  const Built built = Build(data, 5);
  const Aligned bytes(built.bytes);
  for (std::size_t size = 0; size < built.lists.size(); size += 61) {
    const Aligned cut(absl::string_view(built.lists).substr(0, size));
    EXPECT_THAT(ListIndex::Open(cut.view(), bytes.view()), HasReason("CORRUPT_DATA")) << size;
  }
  const Aligned lists(built.lists);
  EXPECT_THAT(ListIndex::Open(lists.view(), bytes.view().substr(64)), HasReason("CORRUPT_DATA"));
  // Whatever a byte of the head is turned into, the index opens and answers, or is refused.
  const std::size_t head = ListLayout(24, 24, linalg::SignBlockBytes(1), 5, 0).directions;
  std::mt19937 random(1);
  SlotSet all = Every(500, 1, 1);
  for (std::size_t at = 0; at < head; ++at) {
    std::string changed = built.lists;
    changed[at] = static_cast<char>(changed[at] ^ static_cast<char>(1 << random() % 8));
    const Aligned file(changed);
    const auto index = ListIndex::Open(file.view(), bytes.view());
    if (!index.ok()) continue;
    const CodedQuery query(index->frame(), data.queries[0].data(), 1);
    Shortlist shortlist(10, index->frame().byte_slack());
    index->Search(linalg::DefaultKernels(), query, index->MarginsFor(0.99f), all.words(), 500, 0,
                  &shortlist);
    for (const auto& entry : shortlist.Take()) EXPECT_LT(entry.row, 500u);
  }
}

TEST(ListBuilderTest, StopsWhenTheCallEnds) {
  const Data data(24, 500, 1);
  const auto read = [&](absl::Span<const std::uint32_t> rows, float* out) {
    return data.Read(rows, out);
  };
  const CallContext over(absl::InfinitePast());
  EXPECT_EQ(ListBuilder::Plan(linalg::DefaultKernels(), 24, 500, 5, read, over).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(ListBuilderTest, PassesOnWhatReadingFailedWith) {
  const auto read = [](absl::Span<const std::uint32_t>, float*) {
    return absl::DataLossError("gone");
  };
  EXPECT_EQ(ListBuilder::Plan(linalg::DefaultKernels(), 24, 500, 5, read, kCall).status(),
            absl::DataLossError("gone"));
}

TEST(ShortlistTest, KeepsWhatMayStillBeAmongTheBest) {
  Shortlist shortlist(2, 0.1f);
  EXPECT_EQ(shortlist.bar(), -std::numeric_limits<float>::infinity());
  shortlist.Offer(1, 0.5f);
  EXPECT_FALSE(shortlist.full());
  shortlist.Offer(2, 0.7f);
  EXPECT_EQ(shortlist.bar(), 0.5f);
  shortlist.Offer(3, 0.45f);
  shortlist.Offer(4, 0.3f);
  shortlist.Offer(5, 0.58f);
  shortlist.Offer(6, std::numeric_limits<float>::quiet_NaN());
  std::set<std::uint32_t> rows;
  for (const auto& entry : shortlist.Take()) rows.insert(entry.row);
  EXPECT_THAT(rows, ::testing::ElementsAre(1, 2, 5));  // the bar is 0.58 in the end
}

}  // namespace
}  // namespace ragmesh::vector_index
