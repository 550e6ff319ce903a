// A decoder with nothing around it, for measurements.
#ifndef RAGMESH_BENCH_GENERATOR_LOADED_MODEL_H_
#define RAGMESH_BENCH_GENERATOR_LOADED_MODEL_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/concurrency/compute_pool.h"
#include "libs/generation/decoder.h"
#include "libs/generation/vocabulary.h"

namespace ragmesh::bench {

// Used by one thread. Prompts are read in passes as large as the engine makes them.
class LoadedModel {
 public:
  struct Weights {
    std::size_t bytes = 0;     // as stored, of what is read for each token; with the last matrix
    std::size_t products = 0;  // multiply-adds of a token in the layers' matrices
  };

  struct Options {
    std::string path;
    std::string digest, packed_folder;  // as in DecoderOptions
    generation::ComputeMode mode = generation::ComputeMode::kFast;
    int threads = 1;
  };
  static absl::StatusOr<std::unique_ptr<LoadedModel>> Load(const Options& options);

  double load_seconds() const { return load_seconds_; }
  const Weights& weights() const { return weights_; }
  const generation::Vocabulary& vocabulary() const { return vocabulary_; }
  std::size_t vocabulary_size() const { return decoder_->config().vocabulary; }

  // The cache of stream `index` whose first `depth` positions are read, with room for 1,024 more,
  // which keep what was written last. It stays with the model.
  absl::StatusOr<generation::KvCache*> Cache(std::size_t depth, std::size_t index);

  // Reads `ids` from `position` on. `each` gets the logits of all tokens when `all`, else those of
  // the last one, by index into `ids`.
  void Read(generation::KvCache* cache, absl::Span<const std::uint32_t> ids, std::size_t position,
            bool all, absl::FunctionRef<void(std::size_t, absl::Span<const float>)> each);

  // One pass, with the logits of every row.
  void Pass(absl::Span<const generation::BatchRow> rows);

 private:
  LoadedModel() = default;

  double load_seconds_ = 0;
  Weights weights_;
  generation::Vocabulary vocabulary_;
  std::unique_ptr<ComputePool> pool_;
  std::unique_ptr<generation::Decoder> decoder_;
  std::map<std::pair<std::size_t, std::size_t>, std::unique_ptr<generation::KvCache>> caches_;
};

// Ids that stand for no text in particular; the same ones for the same arguments.
std::vector<std::uint32_t> RandomIds(std::size_t count, std::size_t vocabulary, std::uint32_t seed);

}  // namespace ragmesh::bench

#endif  // RAGMESH_BENCH_GENERATOR_LOADED_MODEL_H_
