// Where a BM25 score comes from, term by term: the arithmetic of InvertedIndex::Search.
#include <algorithm>
#include <cmath>

#include "libs/lexical/inverted_index.h"

namespace ragmesh::lexical {

std::vector<InvertedIndex::Contribution> InvertedIndex::Explain(absl::Span<const std::string> query,
                                                                const Bm25& bm25,
                                                                std::uint32_t slot) const {
  std::vector<Contribution> contributions;
  if (documents_ == 0 || slot >= lengths_.size()) return contributions;
  const double n = static_cast<double>(documents_);
  const double average_length = std::max(1.0, static_cast<double>(total_length_) / n);
  absl::flat_hash_map<TermId, std::size_t> seen;
  for (std::size_t i = 0; i < query.size(); ++i) {
    const TermId* id = Find(query[i]);
    if (id == nullptr || postings_[*id].documents == 0) continue;
    const Postings& postings = postings_[*id];
    const auto at = std::lower_bound(postings.slots.begin(), postings.slots.end(), slot);
    if (at == postings.slots.end() || *at != slot) continue;
    const auto [it, inserted] = seen.try_emplace(*id, contributions.size());
    if (inserted) {
      const double df = postings.documents;
      contributions.push_back(
          {.term = i,
           .idf = std::log(1 + (n - df + 0.5) / (df + 0.5)),
           .frequency = static_cast<double>(
               postings.counts[static_cast<std::size_t>(at - postings.slots.begin())]),
           .length_norm = bm25.k1 * (1 - bm25.b + bm25.b * lengths_[slot] / average_length)});
    }
    contributions[it->second].occurrences += 1;
  }
  for (Contribution& one : contributions) {
    one.score = one.occurrences * one.idf * one.frequency / (one.frequency + one.length_norm);
  }
  return contributions;
}

}  // namespace ragmesh::lexical
