// Retrieval test sets: documents, queries and graded judgements.
#ifndef RAGMESH_BENCH_DATASETS_IR_DATASET_H_
#define RAGMESH_BENCH_DATASETS_IR_DATASET_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace ragmesh::bench {

struct IrDocument {
  std::string id;
  std::string title;
  std::string text;
};

struct IrQuery {
  std::string id;
  std::string text;
  std::map<std::string, int> grades;  // document id -> grade, positive ones only
};

struct IrDataset {
  std::string name;
  std::vector<IrDocument> documents;
  std::vector<IrQuery> queries;  // those with at least one positive grade
};

// BEIR layout: corpus.jsonl, queries.jsonl, qrels/<split>.tsv. `split` is "test" or "train".
absl::StatusOr<IrDataset> LoadBeir(const std::string& folder, const std::string& split);

// cran.all.1400, cran.qry and QRelsCorrectedforTRECeval (grades 1 to 5, 5 best; queries numbered by
// position from 1).
absl::StatusOr<IrDataset> LoadCranfield(const std::string& folder);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_DATASETS_IR_DATASET_H_
