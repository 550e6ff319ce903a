// The default models as the benchmarks use them: from the cache, with what the catalogue says of
// them.
#ifndef RAGMESH_BENCH_MODELS_BENCH_MODELS_H_
#define RAGMESH_BENCH_MODELS_BENCH_MODELS_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "libs/concurrency/executor.h"
#include "libs/embedding/bert_embedder.h"
#include "libs/stages/generator.h"

namespace ragmesh::bench {

// `kernel` and `precision` as embedding::TextEncoder::Options has them. MODEL_NOT_INSTALLED with
// the command that obtains the model.
absl::StatusOr<std::unique_ptr<embedding::BertEmbedder>> OpenEmbedder(
    Executor& compute, const std::string& kernel, std::optional<linalg::Precision> precision,
    int threads);
absl::StatusOr<std::unique_ptr<stages::Generator>> OpenGenerator(int threads);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_MODELS_BENCH_MODELS_H_
