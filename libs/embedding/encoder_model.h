// A BERT-family encoder: token ids in, one vector per token out.
#ifndef RAGMESH_LIBS_EMBEDDING_ENCODER_MODEL_H_
#define RAGMESH_LIBS_EMBEDDING_ENCODER_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/embedding/encoder_config.h"
#include "libs/embedding/encoder_input.h"
#include "libs/embedding/encoder_weights.h"
#include "libs/linalg/gemm.h"
#include "libs/linalg/kernels.h"

namespace ragmesh::embedding {

class EncoderModel;

// One text or pair on its way through the model.
struct EncoderText {
  absl::Span<const std::uint32_t> ids;   // special tokens included
  absl::Span<const std::uint8_t> types;  // as many, or empty: all 0
};

// The memory of a forward pass. It grows to what the largest pass so far needed and allocates
// nothing below that. For one pass at a time.
class EncoderWorkspace {
 public:
  // `threads`: how many the loops of a pass may be divided among.
  explicit EncoderWorkspace(const EncoderModel& model, int threads = 1);

  // Sees every row that a product reads, before it is rounded.
  using Observer =
      std::function<void(std::size_t layer, LayerProduct product, absl::Span<const float> values)>;
  void set_observer(Observer observer) { observer_ = std::move(observer); }

  // After EncoderModel::Forward: the last hidden states of its text `index`, row after row.
  absl::Span<const float> hidden(std::size_t index) const;

 private:
  friend class EncoderModel;

  void Reset(absl::Span<const EncoderText> texts);
  float* row(const linalg::AlignedBytes& bytes, std::size_t index, std::size_t width) const {
    return reinterpret_cast<float*>(bytes.data()) + index * width;
  }

  const EncoderModel& model_;
  const std::size_t threads_;
  Observer observer_;                // most often none
  std::vector<std::size_t> starts_;  // first row of each text, and the number of rows
  std::size_t block_rows_ = 0;       // rows that go through the parts after attention together
  linalg::AlignedBytes hidden_, query_key_value_, context_;  // a row for every token
  linalg::AlignedBytes inner_, update_;                      // a row for every token of a block
  linalg::PackedRows rows_;        // what the next product reads, of width hidden
  linalg::PackedRows inner_rows_;  // the same for the second half of the feed-forward part
  std::size_t attention_bytes_ = 0;
  linalg::AlignedBytes attention_;  // attention_bytes_ for each thread
};

// Post-layer-norm, as BERT was published. Texts lie end to end, without padding; each attends to
// itself alone, and every row of a product depends on its own row alone: so a text's result depends
// on the text, the kernel table and the precision, bit for bit, and never on its company or on the
// number of threads. Immutable and thread-safe.
class EncoderModel {
 public:
  // Errors as EncoderWeights::Load. `kernels` must support `precision`; attention runs in bfloat16
  // where the table has it, unless the precision is f32.
  static absl::StatusOr<std::shared_ptr<const EncoderModel>> Load(
      const std::shared_ptr<const model_files::Safetensors>& file, const EncoderConfig& config,
      const linalg::Kernels& kernels, linalg::Precision precision,
      const Calibration* calibration = nullptr,
      std::shared_ptr<const PackedWeights> packed = nullptr);

  // Asked before each layer, with its index, and after the last; false ends the pass. Between, the
  // hidden states are complete, for those who look.
  using GoOn = absl::FunctionRef<bool(std::size_t layer)>;

  // Calls work(item, thread) for every item below `items`, in any order, and returns when all are
  // done. `thread` is below the number that the workspace was made for; no two calls with the same
  // one run at a time.
  using LoopRunner = absl::FunctionRef<void(
      std::size_t items, absl::FunctionRef<void(std::size_t item, int thread)> work)>;
  // All of them on this thread.
  static void RunHere(std::size_t items,
                      absl::FunctionRef<void(std::size_t item, int thread)> work);

  // Leaves the hidden states of `texts` in `workspace`; false when `go_on` ended it. Every text
  // must pass Check(). `loops` may divide each loop otherwise; that changes no bit of the result.
  bool Forward(absl::Span<const EncoderText> texts, EncoderWorkspace* workspace, GoOn go_on,
               LoopRunner loops = RunHere) const;

  // INVALID_ARGUMENT unless ids are 1 to config().positions, each below config().vocabulary, and
  // types fit them and are below config().token_types.
  absl::Status Check(const EncoderText& text) const;

  const EncoderConfig& config() const { return config_; }
  const linalg::Kernels& kernels() const { return kernels_; }
  linalg::Precision precision() const { return precision_; }
  const EncoderWeights& weights() const { return weights_; }

  // False where OpenBLAS multiplies: then only a pass over one text keeps the promise above.
  bool rows_are_independent() const { return rows_are_independent_; }

 private:
  friend class EncoderWorkspace;

  EncoderModel(const EncoderConfig& config, const linalg::Kernels& kernels,
               linalg::Precision precision, EncoderWeights weights);

  void Embed(absl::Span<const EncoderText> texts, EncoderWorkspace* workspace) const;
  void ProjectAndAttend(std::size_t layer, LoopRunner loops, EncoderWorkspace* workspace) const;
  // The parts of a layer behind attention, for rows `first` to `first + count`.
  void FinishBlock(std::size_t layer, std::size_t first, std::size_t count, LoopRunner loops,
                   EncoderWorkspace* workspace) const;
  // row = norm(row + update), for the block's rows, which `product` of `layer` reads next.
  void AddAndNormalise(const NormWeights& norm, std::size_t layer, LayerProduct product,
                       std::size_t first, std::size_t count, EncoderWorkspace* workspace) const;
  // Makes `values` what the product reads in its row `row`. Behind the last layer it does nothing.
  void Feed(std::size_t layer, LayerProduct product, std::size_t row, const float* values,
            EncoderWorkspace* workspace) const;

  const EncoderConfig config_;
  const linalg::Kernels& kernels_;
  const linalg::Precision precision_;
  const linalg::AttentionKernel& attention_;
  const bool rows_are_independent_;
  const EncoderWeights weights_;
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_ENCODER_MODEL_H_
