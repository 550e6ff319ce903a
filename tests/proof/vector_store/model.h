// What a store must answer, worked out the slow and obvious way from plain maps.
#ifndef RAGMESH_TESTS_PROPERTY_VECTOR_STORE_MODEL_H_
#define RAGMESH_TESTS_PROPERTY_VECTOR_STORE_MODEL_H_

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "libs/lexical/analyzer.h"
#include "libs/linalg/kernels.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::vector_store {

struct ModelDocument {
  stages::StoredDocument document;
  std::map<std::string, stages::StoredChunk> chunks;
};

using Model = std::map<std::string, ModelDocument>;
using Ranking = std::vector<std::pair<std::string, double>>;  // chunk id, score; best first

inline bool MayBeSeen(const stages::StoredDocument& document,
                      const std::vector<std::string>& labels) {
  for (const std::string& label : labels) {
    if (label == stages::kAllLabels) return true;
    for (const std::string& own : document.acl_labels) {
      if (own == label) return true;
    }
  }
  return false;
}

inline Ranking Best(Ranking ranking, std::size_t top_k) {
  std::sort(ranking.begin(), ranking.end(), [](const auto& a, const auto& b) {
    return a.second != b.second ? a.second > b.second : a.first < b.first;
  });
  if (ranking.size() > top_k) ranking.resize(top_k);
  return ranking;
}

inline Ranking BruteDense(const Model& model, const std::vector<float>& query,
                          const std::vector<std::string>& labels, std::size_t top_k) {
  Ranking ranking;
  for (const auto& [id, entry] : model) {
    if (!MayBeSeen(entry.document, labels)) continue;
    for (const auto& [chunk_id, chunk] : entry.chunks) {
      ranking.emplace_back(
          chunk_id, linalg::DefaultKernels().dot(query.data(), chunk.vector.data(), query.size()));
    }
  }
  return Best(std::move(ranking), top_k);
}

inline Ranking BruteBm25(const Model& model, const std::string& query,
                         const std::vector<std::string>& labels, std::size_t top_k) {
  const lexical::Analyzer analyzer("en");
  std::map<std::string, std::map<std::string, std::uint32_t>>
      counts;  // chunk -> term -> occurrences
  std::map<std::string, double> lengths, df;
  std::set<std::string> visible;
  double total = 0;
  for (const auto& [id, entry] : model) {
    for (const auto& [chunk_id, chunk] : entry.chunks) {
      for (const std::string& term : analyzer.Terms(chunk.chunk.text)) {
        if (counts[chunk_id][term]++ == 0) ++df[term];
        ++lengths[chunk_id];
        ++total;
      }
      lengths[chunk_id];
      if (MayBeSeen(entry.document, labels)) visible.insert(chunk_id);
    }
  }
  const double n = static_cast<double>(lengths.size());
  const double average = std::max(1.0, total / n);
  Ranking ranking;
  for (const std::string& chunk_id : visible) {
    double score = 0;
    std::vector<std::string> order;
    std::map<std::string, double> times;
    for (const std::string& term : analyzer.Terms(query)) {
      if (times[term]++ == 0) order.push_back(term);
    }
    for (const std::string& term : order) {
      const auto it = counts[chunk_id].find(term);
      if (it == counts[chunk_id].end()) continue;
      const double tf = it->second;
      const double norm = 1.2 * (1 - 0.75 + 0.75 * lengths[chunk_id] / average);
      score +=
          times[term] * std::log(1 + (n - df[term] + 0.5) / (df[term] + 0.5)) * tf / (tf + norm);
    }
    if (score > 0) ranking.emplace_back(chunk_id, score);
  }
  return Best(std::move(ranking), top_k);
}

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_TESTS_PROPERTY_VECTOR_STORE_MODEL_H_
