#include "libs/lexical/index_search.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/lexical/query_terms.h"

namespace ragmesh::lexical {
namespace {

std::uint64_t DocumentFrequency(absl::Span<const SearchPart> parts, absl::string_view term) {
  std::uint64_t documents = 0;
  for (const SearchPart& part : parts) {
    documents += part.part->DocumentFrequency(term);
    if (part.removed != nullptr) documents -= part.removed->DocumentFrequency(term);
  }
  return documents;
}

// The terms that a prefix stands for, sorted.
std::vector<std::string> TermsOf(absl::Span<const SearchPart> parts, absl::string_view prefix,
                                 bool* cut) {
  std::vector<std::string> candidates;
  for (const SearchPart& part : parts) {
    const bool all =
        part.part->ForEachTerm(prefix, kMaxPrefixCandidates,
                               [&](absl::string_view term) { candidates.emplace_back(term); });
    *cut = *cut || !all;
  }
  std::sort(candidates.begin(), candidates.end());
  candidates.erase(std::unique(candidates.begin(), candidates.end()), candidates.end());
  if (candidates.size() <= kMaxPrefixTerms) return candidates;
  *cut = true;
  std::vector<std::pair<std::uint64_t, std::string>> by_frequency;
  by_frequency.reserve(candidates.size());
  for (std::string& term : candidates)
    by_frequency.emplace_back(DocumentFrequency(parts, term), std::move(term));
  std::partial_sort(by_frequency.begin(), by_frequency.begin() + kMaxPrefixTerms,
                    by_frequency.end(), [](const auto& a, const auto& b) {
                      return a.first != b.first ? a.first > b.first : a.second < b.second;
                    });
  std::vector<std::string> terms;
  for (std::size_t i = 0; i < kMaxPrefixTerms; ++i)
    terms.push_back(std::move(by_frequency[i].second));
  std::sort(terms.begin(), terms.end());
  return terms;
}

// A query with its prefixes as terms of this index.
struct Prepared {
  std::vector<std::vector<std::string>> prefix_terms;  // by clause
  std::vector<QueryTerm> terms;
  bool prefix_cut = false;
};

Prepared Prepare(absl::Span<const SearchPart> parts, const Query& query, const Scorer& scorer) {
  Prepared prepared;
  std::vector<std::string> scored;
  for (const Clause& clause : query.clauses) {
    auto& of_prefix = prepared.prefix_terms.emplace_back();
    if (!clause.prefix.empty()) of_prefix = TermsOf(parts, clause.prefix, &prepared.prefix_cut);
    if (clause.role == Clause::Role::kExcluded) continue;
    for (const PlacedTerm& term : clause.terms) scored.push_back(term.term);
    scored.insert(scored.end(), of_prefix.begin(), of_prefix.end());
  }
  prepared.terms = DistinctTerms(scored);
  for (QueryTerm& term : prepared.terms) {
    const std::uint64_t documents = DocumentFrequency(parts, term.term);
    if (documents > 0) term.weight = term.times * scorer.Idf(documents);
  }
  return prepared;
}

// Of `slots`, ascending slots of the whole, those of one part, by its own numbers.
struct OwnSlots {
  OwnSlots(const SearchPart& part, absl::Span<const std::uint32_t> slots) {
    const auto begin = std::lower_bound(slots.begin(), slots.end(), part.base);
    const auto end =
        std::lower_bound(begin, slots.end(), std::uint64_t{part.base} + part.part->slot_count());
    first = static_cast<std::size_t>(begin - slots.begin());
    for (auto it = begin; it != end; ++it) own.push_back(*it - part.base);
  }
  std::size_t first;  // place of the first of them in `slots`
  std::vector<std::uint32_t> own;
};

bool HasToMatch(const Clause& clause) { return clause.role != Clause::Role::kOptional; }

absl::Status KeepMatching(const IndexPart& part, const Query& query, const Prepared& prepared,
                          SlotBits* bits) {
  for (std::size_t i = 0; i < query.clauses.size(); ++i) {
    const Clause& clause = query.clauses[i];
    if (!HasToMatch(clause)) continue;
    const bool excluded = clause.role == Clause::Role::kExcluded;
    RAGMESH_RETURN_IF_ERROR(clause.prefix.empty()
                                ? KeepPhrase(part, clause.terms, excluded, bits)
                                : KeepAnyOf(part, prepared.prefix_terms[i], excluded, bits));
  }
  return absl::OkStatus();
}

}  // namespace

void RemovedChunks::Add(const ChunkTerms& terms) {
  statistics_.Add(Lengths::Of(terms.lengths));
  for (const ChunkTerms::Term& term : terms.terms) ++documents_[term.term];
}

std::uint32_t RemovedChunks::DocumentFrequency(absl::string_view term) const {
  const auto it = documents_.find(term);
  return it == documents_.end() ? 0 : it->second;
}

CorpusStatistics TotalStatistics(absl::Span<const SearchPart> parts) {
  CorpusStatistics total;
  for (const SearchPart& part : parts) {
    total += part.part->statistics();
    if (part.removed != nullptr) total -= part.removed->statistics();
  }
  return total;
}

absl::StatusOr<FoundSlots> SearchIndex(absl::Span<const SearchPart> parts, const Query& query,
                                       const Bm25& bm25, std::size_t k, ComesFirst comes_first) {
  const Scorer scorer(bm25, TotalStatistics(parts));
  const Prepared prepared = Prepare(parts, query, scorer);
  const bool conditional = IsConditional(query);
  TopSlots best(k, comes_first);
  SlotBits matching;
  for (const SearchPart& part : parts) {
    absl::Span<const std::uint64_t> allowed = part.allowed;
    if (conditional) {
      matching.assign(allowed.begin(), allowed.end());
      RAGMESH_RETURN_IF_ERROR(KeepMatching(*part.part, query, prepared, &matching));
      allowed = matching;
    }
    RAGMESH_RETURN_IF_ERROR(part.part->Search(prepared.terms, scorer, allowed, part.base, &best));
  }
  return FoundSlots{best.Take(), prepared.prefix_cut};
}

bool IsConditional(const Query& query) {
  return std::any_of(query.clauses.begin(), query.clauses.end(), HasToMatch);
}

absl::StatusOr<std::vector<SlotBits>> MatchingSlots(absl::Span<const SearchPart> parts,
                                                    const Query& query) {
  const Prepared prepared = Prepare(parts, query, Scorer(Bm25(), TotalStatistics(parts)));
  std::vector<SlotBits> matching;
  for (const SearchPart& part : parts) {
    SlotBits& bits = matching.emplace_back(part.allowed.begin(), part.allowed.end());
    RAGMESH_RETURN_IF_ERROR(KeepMatching(*part.part, query, prepared, &bits));
  }
  return matching;
}

absl::StatusOr<std::vector<double>> ScoreIndex(absl::Span<const SearchPart> parts,
                                               const Query& query, const Bm25& bm25,
                                               absl::Span<const std::uint32_t> slots) {
  const Scorer scorer(bm25, TotalStatistics(parts));
  const Prepared prepared = Prepare(parts, query, scorer);
  std::vector<double> scores(slots.size(), 0);
  for (const SearchPart& part : parts) {
    const OwnSlots own(part, slots);
    RAGMESH_RETURN_IF_ERROR(
        part.part->Score(prepared.terms, scorer, own.own,
                         absl::MakeSpan(scores).subspan(own.first, own.own.size())));
  }
  return scores;
}

absl::StatusOr<std::vector<std::vector<TermScore>>> ExplainIndex(
    absl::Span<const SearchPart> parts, const Query& query, const Bm25& bm25,
    absl::Span<const std::uint32_t> slots) {
  const Scorer scorer(bm25, TotalStatistics(parts));
  const Prepared prepared = Prepare(parts, query, scorer);
  std::vector<std::vector<TermScore>> explained(slots.size());
  for (const SearchPart& part : parts) {
    const OwnSlots own(part, slots);
    for (const QueryTerm& term : prepared.terms) {
      if (term.weight == 0) continue;
      RAGMESH_RETURN_IF_ERROR(part.part->ForEachOccurrence(
          term.term, own.own, [&](std::size_t i, const Occurrences& of, const Lengths& lengths) {
            const double frequency = scorer.Frequency(of), norm = scorer.Norm(lengths);
            if (frequency > 0) {
              explained[own.first + i].push_back(
                  {term.term, term.times, term.weight / term.times, frequency, norm,
                   Scorer::Contribution(term.weight, frequency, norm)});
            }
          }));
    }
  }
  return explained;
}

}  // namespace ragmesh::lexical
