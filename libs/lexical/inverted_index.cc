#include "libs/lexical/inverted_index.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "libs/lexical/byte_codec.h"

namespace ragmesh::lexical {
namespace {

// Scores by slot, kept between calls of one thread because clearing what was touched is far cheaper
// than a fresh array. Every entry is zero between calls.
struct Scratch {
  std::vector<double> scores;
  std::vector<std::uint32_t> touched;
};

Scratch& ThreadScratch(std::size_t slots) {
  thread_local Scratch scratch;
  if (scratch.scores.size() < slots) scratch.scores.resize(slots, 0.0);
  scratch.touched.clear();
  return scratch;
}

}  // namespace

void InvertedIndex::Postings::Add(std::uint32_t slot, const Occurrences& occurrences,
                                  absl::Span<const std::uint32_t> at, ListMemory* memory) {
  if (!list.empty() && list.size() % kPostingsPerStart == 0)
    starts.Append(static_cast<std::uint32_t>(positions.size()), memory);
  list.Append({slot, occurrences}, memory);
  if (at.empty()) return;
  char* const begin = positions.Room(at.size() * kMostVarintBytes, memory);
  char* end = begin;
  std::uint32_t next = 0;
  for (const std::uint32_t position : at) {
    end = WriteVarint(position - next, end);
    next = position + 1;
  }
  positions.Added(static_cast<std::size_t>(end - begin));
}

std::size_t InvertedIndex::Postings::Find(std::uint32_t slot, std::size_t begin) const {
  const Posting* const found =
      std::lower_bound(list.begin() + begin, list.end(), slot,
                       [](const Posting& posting, std::uint32_t at) { return posting.slot < at; });
  return static_cast<std::size_t>(found - list.begin());
}

template <typename Visit>
void InvertedIndex::Postings::Walk(std::size_t first, std::size_t last, const Visit& visit) const {
  if (first >= last) return;
  const std::size_t start = first / kPostingsPerStart;
  absl::string_view bytes(positions.begin(), positions.size());
  if (start > 0) bytes.remove_prefix(starts[start - 1]);
  ByteReader in(bytes);
  std::vector<std::uint32_t> at;
  for (std::size_t i = start * kPostingsPerStart; i < last; ++i) {
    at.clear();
    std::uint32_t next = 0;
    for (std::uint16_t n = 0; n < list[i].occurrences.count && in.left() > 0; ++n) {
      at.push_back(next + static_cast<std::uint32_t>(in.Varint()));
      next = at.back() + 1;
    }
    if (i >= first) visit(list[i], absl::Span<const std::uint32_t>(at));
  }
}

TermId InvertedIndex::Intern(absl::string_view term) {
  const auto [id, is_new] = ids_.TryEmplace(term, static_cast<TermId>(postings_.size()));
  if (is_new) {
    postings_.emplace_back();
    active_.push_back(0);
    term_bytes_ += term.size();
  }
  return *id;
}

InvertedIndex::Document InvertedIndex::Intern(const ChunkTerms& terms) {
  Document document;
  document.lengths = Lengths::Of(terms.lengths);
  document.positions = terms.positions;
  document.terms.reserve(terms.terms.size());
  // The terms of a chunk lie anywhere in the table, so all of them are sent for before the first is
  // needed; the same below.
  for (const ChunkTerms::Term& term : terms.terms) ids_.Prefetch(TermKey(term.term));
  for (const ChunkTerms::Term& term : terms.terms)
    document.terms.push_back({Intern(term.term), Occurrences::Of(term.counts),
                              static_cast<std::uint32_t>(term.count())});
  return document;
}

std::optional<InvertedIndex::Document> InvertedIndex::FindAll(const ChunkTerms& terms) const {
  Document document;
  document.lengths = Lengths::Of(terms.lengths);
  document.terms.reserve(terms.terms.size());
  for (const ChunkTerms::Term& term : terms.terms) {
    const TermId* const id = ids_.Find(term.term);
    if (id == nullptr) return std::nullopt;
    document.terms.push_back({*id, Occurrences::Of(term.counts), 0});
  }
  return document;
}

const InvertedIndex::Postings* InvertedIndex::Find(absl::string_view term) const {
  const TermId* const id = ids_.Find(term);
  return id == nullptr ? nullptr : &postings_[*id];
}

std::uint32_t InvertedIndex::DocumentFrequency(absl::string_view term) const {
  const TermId* const id = ids_.Find(term);
  return id == nullptr ? 0 : active_[*id];
}

void InvertedIndex::Append(std::uint32_t slot, const Document& document) {
  if (lengths_.size() <= slot) lengths_.resize(slot + 1);
  lengths_[slot] = document.lengths;
  for (const Document::Term& term : document.terms) __builtin_prefetch(&postings_[term.id], 1);
  for (const Document::Term& term : document.terms) {
    const Postings& postings = postings_[term.id];
    __builtin_prefetch(postings.list.end(), 1);
    __builtin_prefetch(postings.positions.end(), 1);
  }
  absl::Span<const std::uint32_t> positions = document.positions;
  for (const Document::Term& term : document.terms) {
    const std::size_t own = std::min<std::size_t>(term.positions, positions.size());
    postings_[term.id].Add(slot, term.occurrences,
                           positions.first(std::min<std::size_t>(own, term.occurrences.count)),
                           &memory_);
    positions.remove_prefix(own);
  }
}

void InvertedIndex::Count(const Document& document, int sign) {
  for (const Document::Term& term : document.terms) {
    std::uint32_t& active = active_[term.id];
    if (sign > 0 && active++ == 0) ++active_terms_;
    if (sign < 0 && --active == 0) --active_terms_;
  }
  if (sign > 0) {
    statistics_.Add(document.lengths);
  } else {
    statistics_.Remove(document.lengths);
  }
}

void InvertedIndex::ScoreAll(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                             absl::Span<const std::uint64_t> allowed,
                             absl::FunctionRef<void(std::uint32_t, double)> found) const {
  Scratch& scratch = ThreadScratch(lengths_.size());
  const bool plain = scorer.plain();
  for (const QueryTerm& term : terms) {
    const Postings* postings = term.weight > 0 ? Find(term.term) : nullptr;
    if (postings == nullptr) continue;
    for (const auto& [slot, occurrences] : postings->list) {
      if (!IsSet(allowed, slot)) continue;
      const double frequency = plain ? occurrences.count : scorer.Frequency(occurrences);
      if (!(frequency > 0)) continue;
      double& score = scratch.scores[slot];
      if (score == 0) scratch.touched.push_back(slot);
      score += Scorer::Contribution(term.weight, frequency, scorer.Norm(lengths_[slot]));
    }
  }
  for (const std::uint32_t slot : scratch.touched) {
    found(slot, scratch.scores[slot]);
    scratch.scores[slot] = 0;
  }
}

absl::Status InvertedIndex::Search(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                                   absl::Span<const std::uint64_t> allowed, std::uint32_t base,
                                   TopSlots* best) const {
  ScoreAll(terms, scorer, allowed,
           [&](std::uint32_t slot, double score) { best->Offer(base + slot, score); });
  return absl::OkStatus();
}

absl::Status InvertedIndex::Score(absl::Span<const QueryTerm> terms, const Scorer& scorer,
                                  absl::Span<const std::uint32_t> slots,
                                  absl::Span<double> scores) const {
  std::fill(scores.begin(), scores.end(), 0.0);
  for (const QueryTerm& term : terms) {
    const Postings* postings = term.weight > 0 ? Find(term.term) : nullptr;
    if (postings == nullptr) continue;
    std::size_t next = 0;
    for (std::size_t i = 0; i < slots.size(); ++i) {
      next = postings->Find(slots[i], next);
      if (next == postings->list.size()) break;
      const auto& [slot, occurrences] = postings->list[next];
      const double frequency = slot == slots[i] ? scorer.Frequency(occurrences) : 0;
      if (frequency > 0)
        scores[i] += Scorer::Contribution(term.weight, frequency, scorer.Norm(lengths_[slot]));
    }
  }
  return absl::OkStatus();
}

absl::Status InvertedIndex::ForEachSlot(absl::string_view term,
                                        absl::FunctionRef<void(std::uint32_t)> found) const {
  if (const Postings* postings = Find(term); postings != nullptr) {
    for (const Posting& posting : postings->list) found(posting.slot);
  }
  return absl::OkStatus();
}

absl::Status InvertedIndex::ForEachPositions(
    absl::string_view term, absl::Span<const std::uint32_t> slots,
    absl::FunctionRef<void(std::uint32_t, absl::Span<const std::uint32_t>)> found) const {
  const Postings* postings = Find(term);
  if (postings == nullptr) return absl::OkStatus();
  std::size_t next = 0;
  for (const std::uint32_t slot : slots) {
    next = postings->Find(slot, next);
    if (next == postings->list.size()) break;
    if (postings->list[next].slot != slot) continue;
    postings->Walk(next, next + 1, [&](const Posting&, absl::Span<const std::uint32_t> positions) {
      found(slot, positions);
    });
  }
  return absl::OkStatus();
}

absl::Status InvertedIndex::ForEachOccurrence(
    absl::string_view term, absl::Span<const std::uint32_t> slots,
    absl::FunctionRef<void(std::size_t, const Occurrences&, const Lengths&)> found) const {
  const Postings* postings = Find(term);
  if (postings == nullptr) return absl::OkStatus();
  std::size_t next = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    next = postings->Find(slots[i], next);
    if (next == postings->list.size()) break;
    const auto& [slot, occurrences] = postings->list[next];
    if (slot == slots[i]) found(i, occurrences, lengths_[slot]);
  }
  return absl::OkStatus();
}

bool InvertedIndex::ForEachTerm(absl::string_view prefix, std::size_t limit,
                                absl::FunctionRef<void(absl::string_view)> found) const {
  std::size_t count = 0;
  bool all = true;
  ids_.ForEach([&](absl::string_view term, TermId id) {
    if (!absl::StartsWith(term, prefix) || postings_[id].list.empty()) return true;
    all = count++ < limit;
    if (all) found(term);
    return all;
  });
  return all;
}

std::vector<std::string> InvertedIndex::SortedTerms() const {
  std::vector<std::string> terms;
  terms.reserve(ids_.size());
  ids_.ForEach([&](absl::string_view term, TermId id) {
    if (!postings_[id].list.empty()) terms.emplace_back(term);
    return true;
  });
  std::sort(terms.begin(), terms.end());
  return terms;
}

void InvertedIndex::ForEachPosting(
    absl::string_view term,
    absl::FunctionRef<void(std::uint32_t, const Occurrences&, absl::Span<const std::uint32_t>)>
        found) const {
  const Postings* postings = Find(term);
  if (postings == nullptr) return;
  postings->Walk(0, postings->list.size(),
                 [&](const Posting& posting, absl::Span<const std::uint32_t> positions) {
                   found(posting.slot, posting.occurrences, positions);
                 });
}

InvertedIndex InvertedIndex::Compacted(absl::Span<const std::uint32_t> new_slots) const {
  InvertedIndex result;
  for (std::size_t slot = 0; slot < std::min(new_slots.size(), lengths_.size()); ++slot) {
    if (new_slots[slot] == kDropped) continue;
    if (result.lengths_.size() <= new_slots[slot]) result.lengths_.resize(new_slots[slot] + 1);
    result.lengths_[new_slots[slot]] = lengths_[slot];
  }
  ids_.ForEach([&](absl::string_view term, TermId id) {
    const Postings& old = postings_[id];
    Postings kept;
    old.Walk(0, old.list.size(),
             [&](const Posting& posting, absl::Span<const std::uint32_t> positions) {
               const auto& [slot, occurrences] = posting;
               if (slot < new_slots.size() && new_slots[slot] != kDropped)
                 kept.Add(new_slots[slot], occurrences, positions, &result.memory_);
             });
    if (kept.list.empty()) return true;
    const TermId kept_id = result.Intern(term);
    result.postings_[kept_id] = kept;
    result.active_[kept_id] = active_[id];
    result.active_terms_ += active_[id] > 0 ? 1 : 0;
    return true;
  });
  result.statistics_ = statistics_;
  return result;
}

std::uint64_t InvertedIndex::memory_bytes() const {
  constexpr std::uint64_t kPerTerm =
      sizeof(Postings) + sizeof(std::uint32_t) + sizeof(std::string) + sizeof(TermId) + 16;
  return postings_.size() * kPerTerm + term_bytes_ + memory_.bytes() +
         lengths_.size() * sizeof(Lengths);
}

}  // namespace ragmesh::lexical
