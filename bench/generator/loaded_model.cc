#include "bench/generator/loaded_model.h"

#include <algorithm>
#include <random>

#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/generation/engine.h"

namespace ragmesh::bench {
namespace {

using generation::BatchRow;
using generation::Decoder;
using generation::KvCache;

constexpr std::size_t kRoom = 1024;
constexpr std::size_t kMaxPassRows = 16;  // of Pass(), beside what a prompt takes

// A model without a matrix of its own for the logits uses its embedding for that.
LoadedModel::Weights WeightsOf(const gguf::File& file) {
  constexpr absl::string_view kEmbedding = "token_embd.weight", kHead = "output.weight";
  const bool has_head = file.FindTensor(kHead) != nullptr;
  LoadedModel::Weights weights;
  for (const gguf::Tensor& tensor : file.tensors()) {
    const bool embedding = tensor.name == kEmbedding;
    if (!embedding || !has_head) weights.bytes += tensor.data.size();
    if (tensor.dimensions.size() == 2 && !embedding && tensor.name != kHead)
      weights.products += tensor.values;
  }
  return weights;
}

}  // namespace

absl::StatusOr<std::unique_ptr<LoadedModel>> LoadedModel::Load(const Options& options) {
  auto model = std::unique_ptr<LoadedModel>(new LoadedModel());
  const absl::Time begin = absl::Now();
  RAGMESH_ASSIGN_OR_RETURN(const std::shared_ptr<const gguf::File> file,
                           gguf::File::Open(options.path));
  model->pool_ = std::make_unique<ComputePool>(options.threads);
  generation::DecoderOptions decoding;
  decoding.mode = options.mode;
  decoding.max_rows = generation::Engine::Options().prompt_rows + kMaxPassRows;
  decoding.packed_folder = options.packed_folder;
  decoding.digest = options.digest;
  RAGMESH_ASSIGN_OR_RETURN(model->decoder_, Decoder::Create(file, decoding, model->pool_.get()));
  RAGMESH_ASSIGN_OR_RETURN(model->vocabulary_, generation::ReadVocabulary(*file));
  model->load_seconds_ = absl::ToDoubleSeconds(absl::Now() - begin);
  model->weights_ = WeightsOf(*file);
  return model;
}

absl::StatusOr<KvCache*> LoadedModel::Cache(std::size_t depth, std::size_t index) {
  auto& slot = caches_[{depth, index}];
  if (slot == nullptr) {
    RAGMESH_ASSIGN_OR_RETURN(auto cache, KvCache::Create(decoder_->kv_shape(), depth + kRoom));
    Read(cache.get(), RandomIds(depth, vocabulary_size(), static_cast<std::uint32_t>(index)), 0,
         /*all=*/false, [](std::size_t, absl::Span<const float>) {});
    slot = std::move(cache);
  }
  return slot.get();
}

void LoadedModel::Read(KvCache* cache, absl::Span<const std::uint32_t> ids, std::size_t position,
                       bool all,
                       absl::FunctionRef<void(std::size_t, absl::Span<const float>)> each) {
  const std::size_t most = generation::Engine::Options().prompt_rows;
  for (std::size_t begin = 0; begin < ids.size(); begin += most) {
    const std::size_t end = std::min(ids.size(), begin + most);
    std::vector<BatchRow> rows;
    for (std::size_t i = begin; i < end; ++i) {
      rows.push_back(
          {ids[i], static_cast<std::uint32_t>(position + i), cache, all || i + 1 == ids.size()});
    }
    decoder_->Forward(rows, [] { return true; });
    std::size_t computed = 0;
    for (std::size_t i = begin; i < end; ++i)
      if (rows[i - begin].wants_logits) each(i, decoder_->Logits(computed++));
  }
}

void LoadedModel::Pass(absl::Span<const BatchRow> rows) {
  decoder_->Forward(rows, [] { return true; });
}

std::vector<std::uint32_t> RandomIds(std::size_t count, std::size_t vocabulary,
                                     std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::uint32_t> ids(count);
  for (std::uint32_t& id : ids) id = static_cast<std::uint32_t>(random() % vocabulary);
  return ids;
}

}  // namespace ragmesh::bench
