#include "libs/vector_index/growing_codes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "libs/vector_index/slot_set.h"
#include "tests/unit/vector_index/vectors.h"

namespace ragmesh::vector_index {
namespace {

TEST(GrowingCodesTest, FindsWhatIsNearestAtEverySizeWithTheExactScore) {
  constexpr std::size_t kDimension = 100, kNearest = 10;
  std::mt19937 random(11);
  const std::vector<float> middle = RandomUnit(kDimension, random);
  std::vector<float> mean = middle;
  for (float& value : mean) value *= 0.6f;
  for (const bool with_mean : {false, true}) {
    const auto frame = std::make_shared<const Frame>(
        kDimension, with_mean ? mean : std::vector<float>(kDimension, 0.0f));
    GrowingCodes codes(frame);
    RowBlocks rows(kDimension);
    double found = 0, wanted = 0;
    for (std::uint32_t row = 0; row < 3000; ++row) {
      const std::vector<float> vector = RandomUnit(kDimension, random, middle);
      codes.Append(vector);
      rows.Append(vector);
      if (row % 97 != 5 && row > 70) continue;
      const RowView view = rows.view();
      SlotSet allowed(row + 1);
      for (std::uint32_t r = 0; r <= row; ++r) {
        if (row % 2 == 0 || random() % 3 != 0) allowed.Add(r);
      }
      const std::vector<float> query = RandomUnit(kDimension, random, middle);
      std::vector<std::pair<float, std::uint32_t>> exact;
      for (std::uint32_t r = 0; r <= row; ++r) {
        if (allowed.Contains(r))
          exact.emplace_back(-linalg::DefaultKernels().dot(query.data(), view.Row(r), kDimension),
                             r);
      }
      std::sort(exact.begin(), exact.end());
      exact.resize(std::min(exact.size(), kNearest));
      const CodedQuery coded(*frame, query.data(), 1.8);
      Shortlist shortlist(kNearest, 0);
      SearchGrowing(linalg::DefaultKernels(), codes.view(row + 1), view, query.data(), coded,
                    allowed.words(), allowed.Count(), 500, &shortlist);
      std::set<std::pair<float, std::uint32_t>> entries;
      for (const auto& entry : shortlist.Take()) entries.emplace(-entry.score, entry.row - 500);
      for (const auto& best : exact) found += entries.contains(best) ? 1 : 0;
      wanted += static_cast<double>(exact.size());
    }
    EXPECT_GE(found / wanted, 0.995);
  }
}

}  // namespace
}  // namespace ragmesh::vector_index
