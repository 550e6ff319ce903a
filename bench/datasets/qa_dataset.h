// Question-answering test sets: passages, questions, accepted answers.
#ifndef RAGMESH_BENCH_DATASETS_QA_DATASET_H_
#define RAGMESH_BENCH_DATASETS_QA_DATASET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ragmesh::bench {

struct QaQuestion {
  std::string text;
  std::vector<std::string> answers;  // any of them is right; empty when the annotator gave none
  std::int64_t passage = -1;  // index of the passage that answers it, -1 when the set does not say
};

struct QaDataset {
  std::string name;
  std::vector<std::string> passages;
  std::vector<QaQuestion> questions;
};

// rag-mini-wikipedia: passages.csv, S08_question_answer_pairs.txt. One row is one question; an
// answer of "NULL" means that the annotator found none.
absl::StatusOr<QaDataset> LoadMiniWikipedia(const std::string& folder);

// XQuAD in SQuAD 1.1 form; a paragraph is a passage.
absl::StatusOr<QaDataset> LoadXquad(const std::string& json_path);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_DATASETS_QA_DATASET_H_
