#include "libs/pipeline/choose_passages.h"

#include <limits>
#include <map>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/ranking/diversity.h"
#include "libs/ranking/document_quota.h"
#include "libs/ranking/neighbours.h"

namespace ragmesh::pipeline {
namespace {

double Cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) sum += double{a[i]} * b[i];
  return sum;
}

// Numbers the documents of passages, in order of first occurrence.
class DocumentNumbers {
 public:
  std::uint64_t Of(const Passage& passage) {
    return numbers_.try_emplace(passage.chunk.document_id, numbers_.size()).first->second;
  }

 private:
  std::map<std::string, std::uint64_t> numbers_;
};

}  // namespace

absl::Status ChoosePassages(const SearchRequest& request, std::uint32_t top_k,
                            std::vector<Passage>* passages, const CallContext& call) {
  std::vector<double> scores;
  std::vector<std::uint64_t> documents;
  DocumentNumbers numbers;
  for (const Passage& passage : *passages) {
    scores.push_back(passage.score);
    documents.push_back(numbers.Of(passage));
  }
  const auto document_of = [&](std::size_t place) { return documents[place]; };
  const ranking::Ranked ranked{scores, document_of};
  const ranking::DocumentQuota quota(top_k, request.max_per_document);
  std::vector<ranking::Pick> picks;
  if (request.diversity.has_value()) {
    const auto cosine = [&](std::size_t a, std::size_t b) {
      return Cosine((*passages)[a].chunk.vector, (*passages)[b].chunk.vector);
    };
    RAGMESH_ASSIGN_OR_RETURN(picks, ranking::PickDiverse(ranked, quota, request.diversity->lambda,
                                                         cosine, [&call] { return call.Check(); }));
  } else {
    picks = ranking::PickBest(ranked, quota);
  }
  std::vector<Passage> chosen;
  for (const ranking::Pick& pick : picks) {
    Passage& passage = chosen.emplace_back((*passages)[pick.place]);
    passage.score = pick.score;
    if (passage.explanation.has_value() && request.diversity.has_value()) {
      passage.explanation->relevance = pick.relevance;
      passage.explanation->similarity = pick.similarity;
    }
  }
  *passages = std::move(chosen);
  return absl::OkStatus();
}

void DealNeighbours(const stages::NeighbourWindow& window, std::vector<Passage> found,
                    std::vector<Passage>* chosen) {
  DocumentNumbers numbers;
  std::map<std::pair<std::uint64_t, std::uint32_t>, stages::StoredChunk> at;
  std::vector<ranking::Place> places;
  for (const Passage& passage : *chosen) places.push_back({numbers.Of(passage), passage.position});
  for (Passage& passage : found) {
    const std::uint64_t document = numbers.Of(passage);
    for (stages::Neighbour& neighbour : passage.neighbours)
      at.try_emplace({document, neighbour.position}, std::move(neighbour.chunk));
    at.try_emplace({document, passage.position}, std::move(passage.chunk));
  }
  // What is not among `at` lies beyond the end of its document.
  const auto surroundings = ranking::Surround(
      places, window, [](std::uint64_t) { return std::numeric_limits<std::uint32_t>::max(); });
  for (std::size_t i = 0; i < chosen->size(); ++i) {
    Passage& passage = (*chosen)[i];
    passage.run = surroundings[i].run;
    passage.neighbours.clear();
    for (const std::uint32_t position : surroundings[i].positions) {
      const auto it = at.find({places[i].document, position});
      if (it != at.end()) passage.neighbours.push_back({it->second, position});
    }
  }
}

}  // namespace ragmesh::pipeline
