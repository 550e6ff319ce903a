// BM25 with field weights: the score of a chunk, given counts, lengths and statistics of the
// collection.
//
// Counts and lengths are weighted sums over the fields, made before the saturation (Robertson,
// Zaragoza, Taylor: Simple BM25 extension to multiple weighted fields, CIKM 2004). With all weights
// 1 it is BM25 over the fields joined into one text, to the last bit.
#ifndef RAGMESH_LIBS_LEXICAL_BM25_H_
#define RAGMESH_LIBS_LEXICAL_BM25_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "libs/lexical/fields.h"

namespace ragmesh::lexical {

// Settings of a query; no index depends on them. In Lucene's form a term adds
//   idf * tf / (tf + k1 * (1 - b + b * length / average length)),
//   idf = ln(1 + (n - df + 0.5) / (df + 0.5)).
struct Bm25 {
  double k1 = 1.2;  // how soon repeated terms stop counting, at least 0
  double b = 0.75;  // how much long chunks are discounted, [0, 1]
  PerField<double> weights = {1, 1,
                              1};  // at least 0; a term whose weighted count is 0 adds nothing
};

// Of everything that is searched together: live chunks only.
struct CorpusStatistics {
  std::uint64_t documents = 0;  // chunks; "documents" is what BM25 calls them
  std::uint64_t total_length = 0;
  std::uint64_t title_length = 0;
  std::uint64_t heading_length = 0;

  void Add(const Lengths& lengths) {
    ++documents;
    total_length += lengths.total;
    title_length += lengths.title;
    heading_length += lengths.heading;
  }
  void Remove(const Lengths& lengths) {
    --documents;
    total_length -= lengths.total;
    title_length -= lengths.title;
    heading_length -= lengths.heading;
  }
  CorpusStatistics& operator+=(const CorpusStatistics& other) {
    documents += other.documents;
    total_length += other.total_length;
    title_length += other.title_length;
    heading_length += other.heading_length;
    return *this;
  }
  CorpusStatistics& operator-=(const CorpusStatistics& other) {
    documents -= other.documents;
    total_length -= other.total_length;
    title_length -= other.title_length;
    heading_length -= other.heading_length;
    return *this;
  }
  bool operator==(const CorpusStatistics&) const = default;
};

// What a query makes of counts and lengths. Immutable; cheap to make, because each thread keeps the
// norms of its last settings.
class Scorer {
 public:
  Scorer(const Bm25& bm25, const CorpusStatistics& statistics);

  double Idf(std::uint64_t documents_with_term) const {
    const auto df = static_cast<double>(documents_with_term);
    return std::log(1 + (documents_ - df + 0.5) / (df + 0.5));
  }

  // True when all weights are 1, so that `count` and `total` say everything.
  bool plain() const { return plain_; }

  double Frequency(const Occurrences& of) const {
    if (plain_) return of.count;
    const int body = std::max(0, of.count - of.title - of.heading);
    return weights_[0] * of.title + weights_[1] * of.heading + weights_[2] * body;
  }

  // Norms by length in all fields, as far as they are kept; none where weights are not 1.
  absl::Span<const double> norms() const {
    return norms_ == nullptr ? absl::Span<const double>() : absl::Span<const double>(*norms_);
  }
  // The norm of a chunk by its length in all fields; for plain() only.
  double PlainNorm(std::uint32_t total) const {
    return total < norms_->size() ? (*norms_)[total] : NormOf(total);
  }
  double Norm(const Lengths& of) const {
    return plain_ ? PlainNorm(of.total) : NormOf(Weighted(of.total, of.title, of.heading));
  }

  // What lengths are divided by, in the weights of the settings; at least 1.
  double average_length() const { return average_length_; }

  // What a term of this weight adds to the score. `frequency` is above 0.
  static double Contribution(double weight, double frequency, double norm) {
    return weight * frequency / (frequency + norm);
  }

  // At least what a term of `weight` adds to any chunk that holds it up to `count` times, in title
  // and heading up to as often as said, and is at least `total` long.
  double Bound(double weight, const Occurrences& most, std::uint32_t total) const;

 private:
  double NormOf(double length) const { return k1_ * (1 - b_ + b_ * length / average_length_); }
  double Weighted(std::uint64_t total, std::uint64_t title, std::uint64_t heading) const {
    const std::uint64_t body = total - std::min(total, title + heading);
    return weights_[0] * static_cast<double>(title) + weights_[1] * static_cast<double>(heading) +
           weights_[2] * static_cast<double>(body);
  }

  double k1_, b_;
  PerField<double> weights_;
  bool plain_;
  double documents_;
  double average_length_;
  std::shared_ptr<const std::vector<double>> norms_;  // by length
};

}  // namespace ragmesh::lexical

#endif  // RAGMESH_LIBS_LEXICAL_BM25_H_
