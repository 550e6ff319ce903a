// The work of `ragmesh models quantize`: packed weights made ahead of time, with what they cost.
#ifndef RAGMESH_SERVICES_RAGMESH_QUANTIZE_MODELS_H_
#define RAGMESH_SERVICES_RAGMESH_QUANTIZE_MODELS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/model_store/catalogue.h"
#include "libs/model_store/model_cache.h"

namespace ragmesh::cli {

struct QuantizeOptions {
  std::string precision = "all";  // or "f32", "bf16", "int8"; all: what rounds, and what auto takes
  std::string kernel = "auto";    // as linalg::SelectKernels
  bool json = false, quiet = false;
};

// Encoders among `models`, one after the other; prints a line for each precision.
// MODEL_NOT_INSTALLED; PACKED_WEIGHTS_NOT_STORED where the cache cannot be written; else errors as
// embedding::LoadEncoder.
absl::Status QuantizeModels(const std::vector<const model_store::Model*>& models,
                            const model_store::ModelCache& cache, const QuantizeOptions& options);

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_QUANTIZE_MODELS_H_
