#include "libs/ranking/ranking_metrics.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace ragmesh::ranking {

double Ndcg(const std::vector<std::string>& ranking, const std::map<std::string, int>& grades,
            std::size_t cut) {
  double gain = 0;
  for (std::size_t i = 0; i < std::min(cut, ranking.size()); ++i) {
    const auto grade = grades.find(ranking[i]);
    if (grade != grades.end()) gain += grade->second / std::log2(i + 2.0);
  }
  std::vector<int> ideal;
  for (const auto& [document, grade] : grades) ideal.push_back(grade);
  std::sort(ideal.begin(), ideal.end(), std::greater<>());
  double best = 0;
  for (std::size_t i = 0; i < std::min(cut, ideal.size()); ++i)
    best += ideal[i] / std::log2(i + 2.0);
  return best > 0 ? gain / best : 0;
}

double Recall(const std::vector<std::string>& ranking, const std::map<std::string, int>& grades,
              std::size_t cut) {
  std::size_t found = 0;
  for (std::size_t i = 0; i < std::min(cut, ranking.size()); ++i) found += grades.count(ranking[i]);
  return grades.empty() ? 0 : static_cast<double>(found) / grades.size();
}

double ReciprocalRank(const std::vector<std::string>& ranking,
                      const std::map<std::string, int>& grades, std::size_t cut) {
  for (std::size_t i = 0; i < std::min(cut, ranking.size()); ++i) {
    if (grades.count(ranking[i]) > 0) return 1.0 / (i + 1);
  }
  return 0;
}

}  // namespace ragmesh::ranking
