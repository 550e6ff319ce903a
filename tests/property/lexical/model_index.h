// What lexical search must answer, computed from the chunks themselves: every chunk is looked at,
// every score is summed as docs and headers say.
#ifndef RAGMESH_TESTS_PROPERTY_LEXICAL_MODEL_INDEX_H_
#define RAGMESH_TESTS_PROPERTY_LEXICAL_MODEL_INDEX_H_

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "libs/lexical/index_search.h"

namespace ragmesh::lexical {

class ModelIndex {
 public:
  struct Chunk {
    ChunkTerms terms;
    bool live = true;
  };
  std::vector<Chunk> chunks;  // by slot of the whole

  std::vector<ScoredSlot> Search(const Query& query, const Bm25& bm25,
                                 const std::vector<bool>& allowed, std::size_t k,
                                 ComesFirst comes_first) const {
    const auto terms = Terms(query);
    std::vector<ScoredSlot> found;
    for (std::uint32_t slot = 0; slot < chunks.size(); ++slot) {
      if (!chunks[slot].live || !allowed[slot] || !Matches(query, slot)) continue;
      const double score = Score(terms, bm25, slot);
      if (score > 0) found.push_back({slot, score});
    }
    std::sort(found.begin(), found.end(), [&](const ScoredSlot& a, const ScoredSlot& b) {
      return a.score != b.score ? a.score > b.score : comes_first(a.slot, b.slot);
    });
    if (found.size() > k) found.resize(k);
    return found;
  }

  // Distinct terms in order, with how often the query has them.
  std::vector<std::pair<std::string, double>> Terms(const Query& query) const {
    std::vector<std::pair<std::string, double>> terms;
    const auto add = [&](const std::string& term) {
      for (auto& [known, times] : terms) {
        if (known == term) return void(times += 1);
      }
      terms.emplace_back(term, 1);
    };
    for (const Clause& clause : query.clauses) {
      if (clause.role == Clause::Role::kExcluded) continue;
      for (const PlacedTerm& term : clause.terms) add(term.term);
      for (const std::string& term : TermsOf(clause.prefix)) add(term);
    }
    return terms;
  }

  double Score(const std::vector<std::pair<std::string, double>>& terms, const Bm25& bm25,
               std::uint32_t slot) const {
    double documents = 0, total = 0;
    for (const Chunk& chunk : chunks) {
      if (!chunk.live) continue;
      documents += 1;
      total += Weighted(bm25, chunk.terms.lengths);
    }
    const double average = std::max(1.0, total / documents);
    double score = 0;
    for (const auto& [term, times] : terms) {
      const double df = Frequency(term);
      const ChunkTerms::Term* held = Find(slot, term);
      if (df == 0 || held == nullptr) continue;
      const double weight = times * std::log(1 + (documents - df + 0.5) / (df + 0.5));
      const double tf = Weighted(bm25, held->counts);
      const double norm =
          bm25.k1 * (1 - bm25.b + bm25.b * Weighted(bm25, chunks[slot].terms.lengths) / average);
      if (tf > 0) score += weight * tf / (tf + norm);
    }
    return score;
  }

 private:
  static double Weighted(const Bm25& bm25, const PerField<std::uint32_t>& counts) {
    return bm25.weights[0] * counts[0] + bm25.weights[1] * counts[1] + bm25.weights[2] * counts[2];
  }

  const ChunkTerms::Term* Find(std::uint32_t slot, const std::string& term) const {
    for (const ChunkTerms::Term& held : chunks[slot].terms.terms) {
      if (held.term == term) return &held;
    }
    return nullptr;
  }

  double Frequency(const std::string& term) const {
    const auto known = frequencies_.find(term);
    if (known != frequencies_.end()) return known->second;
    double df = 0;
    for (std::uint32_t slot = 0; slot < chunks.size(); ++slot)
      df += chunks[slot].live && Find(slot, term) != nullptr ? 1 : 0;
    return frequencies_[term] = df;
  }

  std::set<std::uint32_t> Positions(std::uint32_t slot, const std::string& term) const {
    std::size_t at = 0;
    const ChunkTerms& terms = chunks[slot].terms;
    for (const ChunkTerms::Term& held : terms.terms) {
      if (held.term == term)
        return {terms.positions.begin() + static_cast<std::ptrdiff_t>(at),
                terms.positions.begin() + static_cast<std::ptrdiff_t>(at + held.count())};
      at += held.count();
    }
    return {};
  }

  std::vector<std::string> TermsOf(const std::string& prefix) const {
    if (prefix.empty()) return {};
    std::set<std::string> all;
    for (const Chunk& chunk : chunks) {
      for (const ChunkTerms::Term& term : chunk.terms.terms) {
        if (absl::StartsWith(term.term, prefix)) all.insert(term.term);
      }
    }
    std::vector<std::string> terms(all.begin(), all.end());
    std::stable_sort(terms.begin(), terms.end(), [&](const std::string& a, const std::string& b) {
      return Frequency(a) > Frequency(b);
    });
    if (terms.size() > kMaxPrefixTerms) terms.resize(kMaxPrefixTerms);
    std::sort(terms.begin(), terms.end());
    return terms;
  }

  bool Holds(const Clause& clause, std::uint32_t slot) const {
    if (!clause.prefix.empty()) {
      const auto terms = TermsOf(clause.prefix);
      return std::any_of(terms.begin(), terms.end(),
                         [&](const std::string& term) { return Find(slot, term) != nullptr; });
    }
    for (const std::uint32_t start : Positions(slot, clause.terms[0].term)) {
      if (std::all_of(clause.terms.begin(), clause.terms.end(), [&](const PlacedTerm& term) {
            const std::uint32_t at = start + term.position - clause.terms[0].position;
            return Positions(slot, term.term).count(at) > 0;
          }))
        return true;
    }
    return false;
  }

  bool Matches(const Query& query, std::uint32_t slot) const {
    return std::all_of(query.clauses.begin(), query.clauses.end(), [&](const Clause& clause) {
      return clause.role == Clause::Role::kOptional ||
             Holds(clause, slot) == (clause.role == Clause::Role::kRequired);
    });
  }

  mutable std::map<std::string, double> frequencies_;
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_TESTS_PROPERTY_LEXICAL_MODEL_INDEX_H_
