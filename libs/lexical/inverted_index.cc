#include "libs/lexical/inverted_index.h"

#include <algorithm>
#include <cmath>

namespace ragmesh::lexical {
namespace {

bool IsSet(absl::Span<const std::uint64_t> bits, std::uint32_t slot) {
  return (bits[slot / 64] >> (slot % 64)) & 1;
}

struct QueryTerm {
  TermId id;
  double weight;  // times the query names it
};

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

TermId InvertedIndex::Intern(absl::string_view term) {
  const auto [it, inserted] = ids_.try_emplace(term, static_cast<TermId>(postings_.size()));
  if (inserted) {
    postings_.emplace_back();
    term_bytes_ += term.size();
  }
  return it->second;
}

const TermId* InvertedIndex::Find(absl::string_view term) const {
  const auto it = ids_.find(term);
  return it == ids_.end() ? nullptr : &it->second;
}

void InvertedIndex::Append(std::uint32_t slot, const Document& document) {
  if (lengths_.size() <= slot) lengths_.resize(slot + 1, 0);
  lengths_[slot] = document.length;
  for (const auto& [id, count] : document.terms) {
    postings_[id].slots.push_back(slot);
    postings_[id].counts.push_back(
        static_cast<std::uint16_t>(std::min<std::uint32_t>(count, 0xFFFF)));
  }
  posting_count_ += document.terms.size();
}

void InvertedIndex::Count(const Document& document, int sign) {
  for (const auto& [id, count] : document.terms) {
    std::uint32_t& documents = postings_[id].documents;
    if (sign > 0 && documents++ == 0) ++active_terms_;
    if (sign < 0 && --documents == 0) --active_terms_;
  }
  if (sign > 0) {
    ++documents_;
    total_length_ += document.length;
  } else {
    --documents_;
    total_length_ -= document.length;
  }
}

void InvertedIndex::Search(absl::Span<const std::string> query, const Bm25& bm25,
                           absl::Span<const std::uint64_t> allowed,
                           absl::FunctionRef<void(std::uint32_t, double)> found) const {
  if (documents_ == 0) return;
  std::vector<QueryTerm>
      terms;  // in order of first occurrence, so that sums round the same way every time
  absl::flat_hash_map<TermId, std::size_t> seen;
  for (const std::string& text : query) {
    const TermId* id = Find(text);
    if (id == nullptr || postings_[*id].documents == 0) continue;
    const auto [it, inserted] = seen.try_emplace(*id, terms.size());
    if (inserted) terms.push_back({*id, 0});
    terms[it->second].weight += 1;
  }
  const double n = static_cast<double>(documents_);
  const double average_length = std::max(1.0, static_cast<double>(total_length_) / n);
  const std::size_t limit = std::min(lengths_.size(), allowed.size() * 64);
  Scratch& scratch = ThreadScratch(lengths_.size());
  for (const QueryTerm& term : terms) {
    const Postings& postings = postings_[term.id];
    const double df = postings.documents;
    const double weight = term.weight * std::log(1 + (n - df + 0.5) / (df + 0.5));
    for (std::size_t i = 0; i < postings.slots.size(); ++i) {
      const std::uint32_t slot = postings.slots[i];
      if (slot >= limit || !IsSet(allowed, slot)) continue;
      const double tf = postings.counts[i];
      const double norm = bm25.k1 * (1 - bm25.b + bm25.b * lengths_[slot] / average_length);
      double& score = scratch.scores[slot];
      if (score == 0) scratch.touched.push_back(slot);
      score += weight * tf / (tf + norm);
    }
  }
  for (const std::uint32_t slot : scratch.touched) {
    found(slot, scratch.scores[slot]);
    scratch.scores[slot] = 0;
  }
}

InvertedIndex InvertedIndex::Compacted(absl::Span<const std::uint32_t> new_slots) const {
  InvertedIndex result;
  for (std::size_t slot = 0; slot < std::min(new_slots.size(), lengths_.size()); ++slot) {
    if (new_slots[slot] == kDropped) continue;
    if (result.lengths_.size() <= new_slots[slot]) result.lengths_.resize(new_slots[slot] + 1, 0);
    result.lengths_[new_slots[slot]] = lengths_[slot];
  }
  for (const auto& [term, id] : ids_) {
    const Postings& old = postings_[id];
    Postings kept;
    for (std::size_t i = 0; i < old.slots.size(); ++i) {
      if (old.slots[i] >= new_slots.size() || new_slots[old.slots[i]] == kDropped) continue;
      kept.slots.push_back(new_slots[old.slots[i]]);
      kept.counts.push_back(old.counts[i]);
    }
    if (kept.slots.empty()) continue;
    kept.documents = old.documents;
    result.posting_count_ += kept.slots.size();
    result.active_terms_ += kept.documents > 0 ? 1 : 0;
    result.postings_[result.Intern(term)] = std::move(kept);
  }
  result.documents_ = documents_;
  result.total_length_ = total_length_;
  return result;
}

std::uint64_t InvertedIndex::memory_bytes() const {
  constexpr std::uint64_t kPerTerm = sizeof(Postings) + sizeof(std::string) + sizeof(TermId) + 16;
  constexpr std::uint64_t kPerPosting = sizeof(std::uint32_t) + sizeof(std::uint16_t);
  return postings_.size() * kPerTerm + term_bytes_ + posting_count_ * kPerPosting * 3 / 2 +
         lengths_.size() * sizeof(std::uint32_t);
}

}  // namespace ragmesh::lexical
