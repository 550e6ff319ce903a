// Fusion, diversity and neighbours equal their definitions, worked out the slow and obvious way.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "libs/ranking/diversity.h"
#include "libs/ranking/fusion.h"
#include "libs/ranking/neighbours.h"

namespace ragmesh::ranking {
namespace {

bool LowerItemFirst(std::uint32_t a, std::uint32_t b) { return a < b; }

// Few values, so that ties are common.
double Score(double step) { return step * *rc::gen::inRange(-3, 4); }

std::vector<Candidate> SomeCandidates() {
  std::vector<Candidate> candidates(*rc::gen::inRange<std::size_t>(0, 30));
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    candidates[i] = {.item = static_cast<std::uint32_t>(i),
                     .dense_score = Score(0.1),
                     .lexical_score = std::abs(Score(1.7))};
  }
  return candidates;
}

TEST(RankingPropertyTest, ZScoreDependsOnTheSetOfCandidatesAlone) {
  EXPECT_TRUE(rc::check("z-score is its formula, in any order and with any ranks", [] {
    const std::vector<Candidate> given = SomeCandidates();
    const stages::Fusion fusion{.dense_weight = 0.05 * *rc::gen::inRange(0, 21)};
    std::vector<Candidate> fused = given;
    Fuse(fusion, LowerItemFirst, &fused);
    std::vector<Candidate> other = given;
    for (std::size_t i = other.size(); i > 1; --i)
      std::swap(other[i - 1], other[*rc::gen::inRange<std::size_t>(0, i)]);
    for (Candidate& candidate : other) {
      if (*rc::gen::inRange(0, 2) == 1) candidate.dense_rank = *rc::gen::inRange(1, 50);
    }
    Fuse(fusion, LowerItemFirst, &other);
    double means[2] = {}, variances[2] = {};
    for (const Candidate& c : given) {
      means[0] += *c.dense_score / given.size();
      means[1] += *c.lexical_score / given.size();
    }
    for (const Candidate& c : given) {
      variances[0] += std::pow(*c.dense_score - means[0], 2) / given.size();
      variances[1] += std::pow(*c.lexical_score - means[1], 2) / given.size();
    }
    const auto z = [&](double score, int kind) {
      return variances[kind] < 1e-20 ? 0 : (score - means[kind]) / std::sqrt(variances[kind]);
    };
    for (std::size_t i = 0; i < fused.size(); ++i) {
      RC_ASSERT(fused[i].item == other[i].item);
      RC_ASSERT(fused[i].score == other[i].score);  // to the last bit
      const double expected = fusion.dense_weight * z(*fused[i].dense_score, 0) +
                              (1 - fusion.dense_weight) * z(*fused[i].lexical_score, 1);
      RC_ASSERT(std::abs(fused[i].score - expected) < 1e-9);
      RC_ASSERT(i == 0 || fused[i - 1].score > fused[i].score ||
                (fused[i - 1].score == fused[i].score && fused[i - 1].item < fused[i].item));
    }
  }));
}

struct Choice {
  std::vector<double> scores;
  std::vector<std::uint64_t> documents;
  std::vector<std::vector<double>> vectors;

  double Cosine(std::size_t a, std::size_t b) const {
    double sum = 0;
    for (std::size_t i = 0; i < vectors[a].size(); ++i) sum += vectors[a][i] * vectors[b][i];
    return sum;
  }
};

Choice SomeChoice() {
  Choice choice;
  for (std::size_t n = *rc::gen::inRange<std::size_t>(0, 20); n > 0; --n) {
    choice.scores.push_back(Score(0.5));
    choice.documents.push_back(*rc::gen::inRange<std::uint64_t>(0, 5));
    const double angle = 0.3 * *rc::gen::inRange(0, 20);
    choice.vectors.push_back({std::cos(angle), std::sin(angle)});
  }
  std::sort(choice.scores.rbegin(), choice.scores.rend());
  return choice;
}

// The definition: each time, every place is judged anew against all picks.
std::vector<std::size_t> NaiveDiverse(const Choice& choice, std::size_t top_k,
                                      std::uint32_t per_document, double lambda) {
  const auto relevance = [&](std::size_t i) {
    const double low = choice.scores.back(), high = choice.scores.front();
    return high > low ? (choice.scores[i] - low) / (high - low) : 1.0;
  };
  std::vector<std::size_t> picks;
  std::map<std::uint64_t, std::uint32_t> taken;
  while (true) {
    std::size_t best = choice.scores.size();
    double best_score = 0;
    for (std::size_t i = 0; i < choice.scores.size(); ++i) {
      if (std::find(picks.begin(), picks.end(), i) != picks.end()) continue;
      const std::uint64_t document = choice.documents[i];
      if (per_document == 0          ? picks.size() >= top_k
          : taken.contains(document) ? taken[document] >= per_document
                                     : taken.size() >= top_k)
        continue;
      double similarity = 0;
      for (const std::size_t pick : picks)
        similarity = std::max(similarity, choice.Cosine(i, pick));
      const double score = lambda * relevance(i) - (1 - lambda) * similarity;
      if (best == choice.scores.size() || score > best_score) {
        best = i;
        best_score = score;
      }
    }
    if (best == choice.scores.size()) return picks;
    picks.push_back(best);
    ++taken[choice.documents[best]];
  }
}

TEST(RankingPropertyTest, DiversePicksEqualTheDefinition) {
  EXPECT_TRUE(rc::check("maximal marginal relevance", [] {
    const Choice choice = SomeChoice();
    const std::size_t top_k = *rc::gen::inRange<std::size_t>(1, 8);
    const auto per_document = *rc::gen::inRange<std::uint32_t>(0, 3);
    const double lambda = 0.25 * *rc::gen::inRange(0, 5);
    const auto document_of = [&](std::size_t i) { return choice.documents[i]; };
    const auto picks = PickDiverse(
        {choice.scores, document_of}, DocumentQuota(top_k, per_document), lambda,
        [&](std::size_t a, std::size_t b) { return choice.Cosine(a, b); },
        [] { return absl::OkStatus(); });
    RC_ASSERT(picks.ok());
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < picks->size(); ++i) {
      places.push_back((*picks)[i].place);
      RC_ASSERT(i == 0 || (*picks)[i].score <= (*picks)[i - 1].score);
    }
    RC_ASSERT(places == NaiveDiverse(choice, top_k, per_document, lambda));
    if (lambda == 1) {
      std::vector<std::size_t> best;
      for (const Pick& pick :
           PickBest({choice.scores, document_of}, DocumentQuota(top_k, per_document)))
        best.push_back(pick.place);
      RC_ASSERT(places == best);
    }
  }));
}

TEST(RankingPropertyTest, NeighboursAreTheChunksAroundHitsEachOnce) {
  EXPECT_TRUE(rc::check("neighbours and runs", [] {
    std::map<std::uint64_t, std::uint32_t> sizes;
    std::set<std::pair<std::uint64_t, std::uint32_t>> spots;
    std::vector<Place> hits;
    for (std::uint64_t document = 0; document < 3; ++document)
      sizes[document] = *rc::gen::inRange<std::uint32_t>(1, 12);
    for (int n = *rc::gen::inRange(0, 8); n > 0; --n) {
      const auto document = *rc::gen::inRange<std::uint64_t>(0, 3);
      const auto position = *rc::gen::inRange<std::uint32_t>(0, sizes[document]);
      if (spots.emplace(document, position).second) hits.push_back({document, position});
    }
    const stages::NeighbourWindow window{*rc::gen::inRange<std::uint32_t>(0, 4),
                                         *rc::gen::inRange<std::uint32_t>(0, 4)};
    const auto around =
        Surround(hits, window, [&](std::uint64_t document) { return sizes[document]; });
    RC_ASSERT(around.size() == hits.size());
    const auto covers = [&](const Place& hit, std::uint64_t document, std::uint32_t position) {
      return hit.document == document && position + window.before >= hit.position &&
             position <= hit.position + window.after;
    };
    for (const auto& [document, size] : sizes) {
      for (std::uint32_t position = 0; position < size; ++position) {
        std::size_t owner = hits.size();
        for (std::size_t i = hits.size(); i > 0; --i) {
          if (covers(hits[i - 1], document, position)) owner = i - 1;
        }
        if (spots.contains({document, position})) owner = hits.size();
        for (std::size_t i = 0; i < hits.size(); ++i) {
          const auto& given = around[i].positions;
          const bool has = hits[i].document == document &&
                           std::find(given.begin(), given.end(), position) != given.end();
          RC_ASSERT(has == (i == owner));
        }
      }
    }
    // Two hits share a run exactly when every position between them is covered by some hit.
    for (std::size_t i = 0; i < hits.size(); ++i) {
      RC_ASSERT(std::is_sorted(around[i].positions.begin(), around[i].positions.end()));
      for (std::size_t j = 0; j < i; ++j) {
        bool joined = hits[i].document == hits[j].document;
        for (std::uint32_t position = std::min(hits[i].position, hits[j].position);
             joined && position < std::max(hits[i].position, hits[j].position); ++position) {
          joined = std::any_of(hits.begin(), hits.end(), [&](const Place& hit) {
            return covers(hit, hits[i].document, position);
          });
        }
        RC_ASSERT((around[i].run == around[j].run) == joined);
      }
      // Runs appear in order of their numbers.
      std::uint32_t most = 0;
      for (std::size_t j = 0; j < i; ++j) most = std::max(most, around[j].run);
      RC_ASSERT(around[i].run >= 1 && around[i].run <= most + 1);
    }
  }));
}

}  // namespace
}  // namespace ragmesh::ranking
