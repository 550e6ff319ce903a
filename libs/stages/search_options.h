// What a search may ask of the ranking beside its query, and how a ranking explains itself.
#ifndef RAGMESH_LIBS_STAGES_SEARCH_OPTIONS_H_
#define RAGMESH_LIBS_STAGES_SEARCH_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace ragmesh::stages {

enum class FusionMethod { kZScore, kReciprocalRank };

struct Fusion {
  FusionMethod method = FusionMethod::kZScore;
  double dense_weight = 0.45;      // z-score: lexical gets the rest; [0, 1]
  double rank_constant = 60;       // reciprocal rank: 1 / (rank_constant + rank)
  std::uint32_t candidates = 100;  // taken from each list before fusion, 1 to 10,000
};

struct Bm25 {
  double k1 = 1.2;  // how soon repeated terms stop counting, [0, 10]
  double b = 0.75;  // how much long chunks are discounted, [0, 1]
};

// Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): hits are chosen one by one,
// each for lambda times its relevance less (1 - lambda) times its cosine with the most alike hit
// chosen before it.
struct Diversity {
  double lambda = 0.5;             // [0, 1]; 1 is relevance alone
  std::uint32_t candidates = 100;  // best ones to choose from, 1 to 1,000; at least top_k are
};

// Chunks to read around each hit in its document, each side 0 to 8.
struct NeighbourWindow {
  std::uint32_t before = 0;
  std::uint32_t after = 0;
};

// ---- Explanations ----

// What one word of the query adds to the BM25 score of a chunk:
// occurrences * idf * frequency / (frequency + length_norm).
struct TermScore {
  std::string term;        // as analysed
  double occurrences = 0;  // in the query
  double idf = 0;          // ln(1 + (n - df + 0.5) / (df + 0.5))
  double frequency = 0;    // in the chunk; more than 0
  double length_norm = 0;  // k1 * (1 - b + b * length / average length)
  double score = 0;
};

// How one hit came to its place.
struct HitExplanation {
  std::vector<TermScore> terms;  // those that the chunk holds; their sum is the lexical score
  double dense_part = 0;         // what each list added to the fused score
  double lexical_part = 0;
  // With diversity: the fused score brought to [0, 1] over those to choose from, and the largest
  // cosine with a hit chosen before, at least 0.
  std::optional<double> relevance;
  std::optional<double> similarity;
};

struct ScoreScale {
  double mean = 0;
  double deviation = 0;  // 0: all scores were equal, and the list added nothing
};

struct SearchStep {
  std::string name;  // "filter", "dense", "lexical", "score", "fuse", "select", "read", ...
  absl::Duration duration;
};

// How a search went.
struct SearchExplanation {
  Fusion fusion;  // in force
  Bm25 bm25;
  std::optional<ScoreScale> dense_scale;  // of the candidates' scores; z-score only
  std::optional<ScoreScale> lexical_scale;
  std::uint32_t dense_listed = 0;    // length of each list
  std::uint32_t lexical_listed = 0;  //
  std::uint32_t candidates = 0;      // in at least one of them
  std::string dense_plan;            // "exact scan"; empty when no vectors were searched
  std::uint64_t chunks = 0;          // in the collection
  std::uint64_t allowed = 0;         // of these, passed labels and filter
  std::vector<SearchStep> steps;     // in order
};

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_SEARCH_OPTIONS_H_
