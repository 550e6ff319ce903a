// Random chunks for tests of indexes: terms of a small vocabulary with Zipf's frequencies, in all
// fields, so that lists of every kind come about.
#ifndef RAGMESH_TESTS_UNIT_LEXICAL_RANDOM_INDEX_H_
#define RAGMESH_TESTS_UNIT_LEXICAL_RANDOM_INDEX_H_

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/lexical/analyzer.h"
#include "libs/lexical/inverted_index.h"

namespace ragmesh::lexical {

class RandomChunks {
 public:
  explicit RandomChunks(std::uint64_t seed, std::size_t vocabulary = 200)
      : random_(seed), vocabulary_(vocabulary) {}

  std::string Word() {
    const double uniform = std::uniform_real_distribution<double>(0, 1)(random_);
    const auto rank =
        static_cast<std::size_t>(std::exp(uniform * std::log(static_cast<double>(vocabulary_))));
    return absl::StrCat("t", rank);
  }

  ChunkTerms Chunk() {
    std::map<std::string, std::vector<std::pair<std::uint32_t, std::size_t>>> places;
    ChunkTerms chunk;
    std::uint32_t position = 0;
    for (std::size_t field = 0; field < kFields; ++field) {
      const std::uint32_t most = field == 2 ? 40 : 4;
      for (std::uint32_t words = Below(most); words > 0; --words) {
        if (Below(8) == 0) ++position;  // a word that was dropped
        places[Word()].emplace_back(position++, field);
        ++chunk.lengths[field];
      }
      position += 100;
    }
    for (const auto& [term, at] : places) {
      chunk.terms.push_back({term, {}});
      for (const auto& [where, field] : at) {
        ++chunk.terms.back().counts[field];
        chunk.positions.push_back(where);
      }
    }
    return chunk;
  }

  std::uint32_t Below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  std::mt19937_64& random() { return random_; }

 private:
  std::mt19937_64 random_;
  std::size_t vocabulary_;
};

inline void AddChunk(InvertedIndex* index, std::uint32_t slot, const ChunkTerms& chunk) {
  const auto document = index->Intern(chunk);
  index->Append(slot, document);
  index->Activate(document);
}

}  // namespace ragmesh::lexical

#endif  // RAGMESH_TESTS_UNIT_LEXICAL_RANDOM_INDEX_H_
