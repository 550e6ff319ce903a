// The forward pass of decoders over weights in a mapped GGUF file: llama and its relatives, as
// ModelConfig describes them.
#ifndef RAGMESH_LIBS_GENERATION_DECODER_H_
#define RAGMESH_LIBS_GENERATION_DECODER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/concurrency/compute_pool.h"
#include "libs/generation/kv_cache.h"
#include "libs/generation/model_config.h"
#include "libs/generation/page_arena.h"
#include "libs/gguf/gguf.h"
#include "libs/model_files/safetensors.h"
#include "libs/quant/kernels.h"

namespace ragmesh::generation {

enum class ComputeMode {
  kExact,  // weights expanded to f32, f32 activations, f32 cache: the reference
  kFast,   // activations rounded to 8 bits before each product with quantised weights
};

// One token to read: it takes `position` in `cache`, and its logits are computed when asked for.
// Rows of one stream stand together, in order of position; rows of several streams may share a
// pass.
struct BatchRow {
  std::uint32_t token = 0;
  std::uint32_t position = 0;
  KvCache* cache = nullptr;
  bool wants_logits = false;
};

struct DecoderOptions {
  ComputeMode mode = ComputeMode::kFast;
  std::size_t max_rows = 1;  // of a pass
  const quant::QuantKernels* kernels = quant::FindQuantKernels("");
  std::size_t context = 0;  // as in ReadModelConfig
  // Of keys and values in fast mode; by default what `kernels` are fastest with at 16 bits.
  std::optional<quant::KvType> cache;
  // Where packed weights are looked for, and left for later starts and other processes; empty: in
  // private memory alone. `digest` is the SHA-256 of the file.
  std::string packed_folder;
  std::string digest;
  // Told when there is a packed folder and weights are in private memory all the same. May be
  // empty.
  std::function<void(const absl::Status& why)> not_shared;
};

// Holds the weights and the work space of one pass; one pass at a time. A row's result does not
// depend on the other rows of its pass, bit for bit.
class Decoder {
 public:
  // Checks that every tensor is there with the right shape, and that there is none whose part in
  // the model is unknown. `pool` outlives the decoder.
  static absl::StatusOr<std::unique_ptr<Decoder>> Create(std::shared_ptr<const gguf::File> file,
                                                         const DecoderOptions& options,
                                                         ComputePool* pool);

  const ModelConfig& config() const { return config_; }
  ComputeMode mode() const { return mode_; }
  std::size_t max_rows() const { return max_rows_; }
  const KvShape& kv_shape() const { return kv_shape_; }

  // Reads at most max_rows() rows. `go_on` is asked between layers; once it says no, the pass
  // stops, false is returned and the caches' new positions are not valid. Tokens are below the
  // vocabulary's size, positions below the capacity of their cache. Afterwards Logits(i) belongs to
  // the i-th row that wanted them, until the next pass.
  bool Forward(absl::Span<const BatchRow> rows, absl::FunctionRef<bool()> go_on);

  // Makes positions `to_begin` and on of `to` those from `from_begin` on of `from`: values as they
  // are, keys turned to where they now stand. `to` has room for them.
  void CopyTurned(const KvCache& from, std::size_t from_begin, std::size_t count,
                  std::size_t to_begin, KvCache* to);

  absl::Span<const float> Logits(std::size_t i) const {
    return absl::MakeConstSpan(logits_).subspan(i * config_.vocabulary, config_.vocabulary);
  }

 private:
  // As the file has it, and rearranged for products. The embedding is looked up, not multiplied.
  struct Matrix {
    quant::WeightRows stored;
    quant::QuantMatrix packed;
  };
  // How pairs of a head turn in one kind of layer, and the angles of the rows of a pass: rope_dim /
  // 2 of each. Cosines and sines carry the magnitude.
  struct Rotation {
    std::vector<double> frequencies;  // radians per position
    double magnitude = 1;
    std::vector<float> cosines, sines;
  };
  // Neighbouring rows of a pass that belong to one stream.
  struct Segment {
    std::size_t first, rows;
  };
  // Vectors that a model lacks are empty.
  struct Layer {
    std::vector<float> attention_norm, feed_forward_norm;
    std::vector<float> post_attention_norm, post_feed_forward_norm;
    std::vector<float> query_norm, key_norm;  // head_dim
    std::vector<float> bias;                  // of q, k and v one after another
    Matrix q, k, v, output, gate, up, down;
    const Rotation* rotation = nullptr;
    std::size_t window = 0;  // 0 is all
  };
  // One weight matrix of a product and where in an output row its values go.
  struct Product {
    const Matrix* weights;
    std::size_t offset;
  };

  Decoder() = default;
  absl::Status LoadWeights();
  absl::Status LoadLayer(std::size_t index);
  absl::Status LoadAttention(const std::string& prefix, Layer* layer);
  absl::Status LoadFeedForward(const std::string& prefix, Layer* layer);
  absl::Status LoadBias(const std::string& prefix, Layer* layer);
  absl::Status LoadRotations();
  absl::StatusOr<std::vector<float>> LoadDivisors();
  absl::Status RefuseUnusedTensors() const;
  // The tensor, which then counts as used; nullptr when absent.
  const gguf::Tensor* Find(const std::string& name) const;
  absl::StatusOr<Matrix> LoadMatrix(const std::string& name, std::size_t rows,
                                    std::size_t columns) const;
  absl::StatusOr<std::vector<float>> LoadVector(const std::string& name, std::size_t size) const;
  // By name, in the order in which a pass reads them.
  std::vector<std::pair<std::string, Matrix*>> Matrices();
  absl::Status PackWeights(const DecoderOptions& options);
  absl::Status PackIntoMemory();
  absl::Status ReadPacked(const std::string& path, const std::string& digest);
  absl::Status WritePacked(const std::string& path, const std::string& digest);
  void Allocate();

  void PrepareAngles(absl::Span<const BatchRow> rows, Rotation* rotation) const;
  // A layer is MultiplyHeads, Attend and FeedForward.
  void MultiplyHeads(std::size_t layer, std::size_t count);
  void FeedForward(std::size_t layer, std::size_t count);
  // In the last layer rows without logits end once keys and values are written: the others move to
  // the front.
  absl::Span<const BatchRow> KeepWanted(absl::Span<const BatchRow> rows);
  void Norm(const std::vector<float>& weight, std::size_t row);
  void AddProjected(const std::vector<float>& post_norm, std::size_t row);
  void RunGate(std::size_t row);
  // Makes a row's part of qkv_ that belongs to a head of keys and values ready for attention.
  void PrepareHead(std::size_t layer, const BatchRow& at, std::size_t row, std::size_t kv_head);
  void PrepareHeads(std::size_t layer, absl::Span<const BatchRow> rows);
  void Attend(std::size_t layer, absl::Span<const BatchRow> rows, bool prepared);
  // Query heads `head` and on, which share keys and values.
  void AttendSegment(std::size_t layer, const Segment& segment, const std::uint8_t* const* blocks,
                     std::size_t head, std::size_t heads, int thread);
  void DivideRows(absl::Span<const BatchRow> rows);
  void ComputeLogits(std::size_t count);
  void CapLogits(std::size_t count);
  // Rounds, in fast mode, `count` values of row `row` of a product's input, which is `columns`
  // wide: those from column `begin` on, a multiple of a run, at `input`.
  void RoundInput(const float* input, std::size_t columns, std::size_t row, std::size_t begin,
                  std::size_t count);
  bool MultipliesRounded(const Matrix& matrix) const;
  void Multiply(absl::Span<const Product> products, const float* input, std::size_t count,
                float* out, std::size_t out_stride);
  // Panels `begin` and on of one product.
  void MultiplyPanels(const Product& product, std::size_t begin, std::size_t panels,
                      const float* input, std::size_t count, float* out, std::size_t out_stride);
  void ForEachRow(std::size_t count, absl::FunctionRef<void(std::size_t)> work);

  std::shared_ptr<const gguf::File> file_;
  ModelConfig config_;
  ComputeMode mode_ = ComputeMode::kExact;
  std::size_t max_rows_ = 0;
  KvShape kv_shape_;
  const quant::QuantKernels* kernels_ = nullptr;
  ComputePool* pool_ = nullptr;

  Matrix embedding_, head_;
  // One of these has what is packed.
  PageArena packed_;
  std::shared_ptr<const model_files::Safetensors> packed_file_;
  std::vector<float> final_norm_;
  Rotation rotation_, local_rotation_;  // the second only where it differs
  std::vector<Layer> layers_;
  mutable absl::flat_hash_set<const gguf::Tensor*> used_;  // while loading

  // Work space, a row per batch row.
  std::vector<float> stream_, normed_, qkv_, attended_, projected_, hidden_, logits_;
  std::vector<quant::Q8Tile> rounded_;  // the input of the next product
  std::vector<Segment> segments_;
  bool one_segment_each_ = false;  // of the streams of a pass
  std::vector<std::uint32_t> positions_;
  std::vector<BatchRow> kept_;
  // Per thread.
  struct alignas(64) CacheLine {
    std::byte bytes[64];
  };
  std::vector<std::vector<CacheLine>> attention_scratch_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_DECODER_H_
