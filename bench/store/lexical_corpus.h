// Texts for the lexical benchmark: chunks cut out of the texts of the retrieval sets, and their
// questions.
#ifndef RAGMESH_BENCH_STORE_LEXICAL_CORPUS_H_
#define RAGMESH_BENCH_STORE_LEXICAL_CORPUS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ragmesh::bench {

struct LexicalCorpus {
  std::vector<std::string> chunks;
  std::vector<std::string> questions;
};

// `count` chunks or a few less, as overlapping windows of 150 words. The texts are SciFact,
// Cranfield, the Wikipedia passages, XQuAD and the corpora of chunking_evaluation, each document by
// itself; windows begin every so many words (11 for 200,000 chunks), and the last windows of a
// document are shorter, down to 40 words. In the order of the documents, or shuffled by a fixed
// seed. Questions are `questions` of the sets' own, taken evenly from each.
absl::StatusOr<LexicalCorpus> MakeLexicalCorpus(std::size_t count, std::size_t questions,
                                                bool shuffled);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_STORE_LEXICAL_CORPUS_H_
