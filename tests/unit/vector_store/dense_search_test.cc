#include "libs/vector_store/dense_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/str_cat.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/testing/fake_clock.h"
#include "libs/testing/status_matchers.h"
#include "libs/vector_index/top_k.h"
#include "libs/vector_store/image.h"

namespace ragmesh::vector_store {
namespace {

using vector_index::ScoredSlot;
using vector_index::SlotSet;
using vector_index::TopK;

constexpr std::uint32_t kDimension = 100;

bool LowerSlotFirst(std::uint32_t a, std::uint32_t b) { return a < b; }

std::vector<float> RandomRow(std::mt19937* random) {
  std::normal_distribution<float> normal;
  std::vector<float> row(kDimension);
  for (float& value : row) value = normal(*random);
  return row;
}

// An image of some rows, every seventh like the one before, in one part or in two.
class Rows {
 public:
  Rows(std::uint32_t count, bool in_two, std::mt19937* random) : image_(kDimension) {
    const auto record = ImageRecord(DocumentRecord());
    for (std::uint32_t row = 0; row < count; ++row) {
      vectors_.push_back(row % 7 == 3 ? vectors_.back() : RandomRow(random));
      ImageChange change;
      change.document = record;
      change.document_number = 1;
      change.is_new = row == 0;
      change.new_chunks.push_back({absl::StrCat("c", row), row + 1, row, vectors_.back(), &terms_});
      image_.Apply(change);
      if (in_two && row == count / 2) image_.Freeze({.document = 2, .chunk = row + 2});
    }
  }
  ImageView View() const { return image_.View({{stages::kAllLabels}}); }
  const std::vector<std::vector<float>>& vectors() const { return vectors_; }

 private:
  const lexical::ChunkTerms terms_;
  std::vector<std::vector<float>> vectors_;
  Image image_;
};

TEST(DenseSearchTest, ExactScansEqualTheNaiveOneOnEveryThreadCountAndFilter) {
  ThreadPool pool("scan", 3, 16);
  std::mt19937 random(1);
  for (const std::uint32_t count : {0u, 1u, 63u, 64u, 1024u, 1025u, 3000u}) {
    const Rows rows(count, count % 2 == 1, &random);
    const ImageView view = rows.View();
    for (const unsigned one_in : {1u, 2u, 10u}) {
      const std::vector<float> query = RandomRow(&random);
      TopK naive(10, LowerSlotFirst);
      ChunkSets allowed;
      for (const PartView& part : view.parts()) {
        SlotSet some(part.live->size());
        for (std::uint32_t row = 0; row < some.size(); ++row) {
          if (random() % one_in != 0) continue;
          some.Add(row);
          naive.Offer(part.base + row,
                      linalg::DefaultKernels().dot(
                          query.data(), rows.vectors()[part.base + row].data(), kDimension));
        }
        allowed.count += some.Count();
        allowed.parts.push_back(std::make_shared<const SlotSet>(std::move(some)));
      }
      const std::vector<ScoredSlot> best = naive.Take();
      for (const int threads : {1, 2, 4}) {
        const DenseOptions options{&linalg::DefaultKernels(), &pool, threads, /*recall=*/1};
        RAGMESH_ASSERT_OK_AND_ASSIGN(const auto found,
                                     SearchDense(view, query, allowed, 10, LowerSlotFirst, options,
                                                 CallContext(absl::InfiniteFuture())));
        EXPECT_TRUE(std::equal(found.begin(), found.end(), best.begin(), best.end(),
                               [](const ScoredSlot& a, const ScoredSlot& b) {
                                 return a.slot == b.slot && a.score == b.score;
                               }))
            << count << " rows, " << threads << " threads";
      }
    }
  }
}

TEST(DenseSearchTest, CallsThatHaveEndedEndTheSearch) {
  std::mt19937 random(2);
  const Rows rows(300, true, &random);
  const ImageView view = rows.View();
  CallContext cancelled(absl::InfiniteFuture());
  RAGMESH_ASSERT_OK_AND_ASSIGN(const ChunkSets all, VisibleChunks(view, cancelled));
  cancelled.Cancel();
  const std::vector<float> query = RandomRow(&random);
  const DenseOptions options{&linalg::DefaultKernels()};
  EXPECT_THAT(SearchDense(view, query, all, 3, LowerSlotFirst, options, cancelled),
              testing::StatusIs(absl::StatusCode::kCancelled));
  testing::FakeClock clock;
  const CallContext late(clock.Now() + absl::Seconds(1), "", clock);
  clock.Advance(absl::Seconds(2));
  EXPECT_THAT(SearchDense(view, query, all, 3, LowerSlotFirst, options, late),
              testing::StatusIs(absl::StatusCode::kDeadlineExceeded));
}

}  // namespace
}  // namespace ragmesh::vector_store
