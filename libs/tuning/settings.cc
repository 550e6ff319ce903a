#include "libs/tuning/settings.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ragmesh::tuning {
namespace {

using stages::FusionMethod;

// Coarse where rankings hardly change, fine where they do; the usual defaults are among them.
constexpr double kDenseWeights[] = {0.0,  0.1, 0.2,  0.3, 0.35, 0.4, 0.45, 0.5,
                                    0.55, 0.6, 0.65, 0.7, 0.8,  0.9, 1.0};
constexpr double kRankConstants[] = {1, 5, 10, 20, 40, 60, 100, 200};
constexpr std::uint32_t kCandidates[] = {25, 50, 100, 200, 400};
constexpr double kK1[] = {0.4, 0.6, 0.9, 1.2, 1.6, 2.0, 2.8};
constexpr double kB[] = {0.0, 0.2, 0.4, 0.6, 0.75, 0.9, 1.0};

bool IsZScore(const Settings& settings) { return settings.fusion.method == FusionMethod::kZScore; }

template <typename Values, typename Set>
void Try(const Settings& settings, const Values& values, const Set& set,
         std::vector<Settings>* variants) {
  for (const auto value : values) {
    variants->push_back(settings);
    set(&variants->back(), value);
  }
}

void TryMix(const Settings& settings, std::vector<Settings>* variants) {
  Settings z_score = settings;
  z_score.fusion.method = FusionMethod::kZScore;
  Try(
      z_score, kDenseWeights, [](Settings* s, double value) { s->fusion.dense_weight = value; },
      variants);
  Settings reciprocal_rank = settings;
  reciprocal_rank.fusion.method = FusionMethod::kReciprocalRank;
  Try(
      reciprocal_rank, kRankConstants,
      [](Settings* s, double value) { s->fusion.rank_constant = value; }, variants);
}

}  // namespace

std::string KeyOf(const Settings& settings, bool hybrid) {
  const std::string words = absl::StrFormat("%.17g %.17g", settings.bm25.k1, settings.bm25.b);
  if (!hybrid) return words;
  return absl::StrFormat(
      "%d %.17g %d %s", static_cast<int>(settings.fusion.method),
      IsZScore(settings) ? settings.fusion.dense_weight : settings.fusion.rank_constant,
      settings.fusion.candidates, words);
}

std::string Describe(const Settings& settings, bool hybrid) {
  const std::string words = absl::StrFormat("k1 %g, b %g", settings.bm25.k1, settings.bm25.b);
  if (!hybrid) return words;
  const std::string mix =
      IsZScore(settings)
          ? absl::StrFormat("z-score, dense weight %g", settings.fusion.dense_weight)
          : absl::StrFormat("reciprocal rank, constant %g", settings.fusion.rank_constant);
  return absl::StrCat(mix, ", ", settings.fusion.candidates, " candidates, ", words);
}

std::size_t AxisCount(bool hybrid) { return hybrid ? 4 : 2; }

std::vector<Settings> Variants(const Settings& settings, bool hybrid, std::size_t axis) {
  std::vector<Settings> variants;
  switch (hybrid ? axis : axis + 2) {
    case 0:
      TryMix(settings, &variants);
      break;
    case 1:
      Try(
          settings, kCandidates,
          [](Settings* s, std::uint32_t value) { s->fusion.candidates = value; }, &variants);
      break;
    case 2:
      Try(
          settings, kK1, [](Settings* s, double value) { s->bm25.k1 = value; }, &variants);
      break;
    default:
      Try(
          settings, kB, [](Settings* s, double value) { s->bm25.b = value; }, &variants);
  }
  return variants;
}

}  // namespace ragmesh::tuning
