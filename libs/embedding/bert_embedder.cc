#include "libs/embedding/bert_embedder.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::embedding {
namespace {

absl::Status TextTooLong(std::size_t index, std::size_t limit) {
  const std::string field = absl::StrCat("texts[", index, "]");
  return MakeError(absl::StatusCode::kInvalidArgument,
                   absl::StrCat(field, " has more tokens than the model reads, which is ", limit),
                   {.reason = "TEXT_TOO_LONG",
                    .field = field,
                    .next_step = "Split the text, or set truncate.",
                    .metadata = {{"max_tokens", absl::StrCat(limit)}}});
}

// One vector of unit length out of `tokens` rows. A vector of zeros stays so.
std::vector<float> Pool(Pooling pooling, const linalg::Kernels& kernels, std::size_t tokens,
                        absl::Span<const float> hidden) {
  const std::size_t width = hidden.size() / tokens;
  std::vector<float> pooled(hidden.begin(), hidden.begin() + static_cast<std::ptrdiff_t>(width));
  if (pooling == Pooling::kMean) {
    for (std::size_t t = 1; t < tokens; ++t)
      kernels.add_scaled(1.0f, hidden.data() + t * width, pooled.data(), width);
    kernels.scale(1.0f / static_cast<float>(tokens), pooled.data(), width);
  }
  const float norm = std::sqrt(kernels.dot(pooled.data(), pooled.data(), width));
  if (norm > 0) kernels.scale(1.0f / norm, pooled.data(), width);
  return pooled;
}

}  // namespace

absl::StatusOr<std::unique_ptr<BertEmbedder>> BertEmbedder::Create(const Options& options,
                                                                   Executor& compute) {
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<TextEncoder> encoder,
                           TextEncoder::Create(options.encoder, compute));
  return std::make_unique<BertEmbedder>(options, std::move(encoder));
}

BertEmbedder::BertEmbedder(const Options& options, std::shared_ptr<TextEncoder> encoder)
    : options_(options), encoder_(std::move(encoder)) {}

absl::StatusOr<std::vector<EncoderInput>> BertEmbedder::Prepare(
    const stages::EmbedRequest& request) const {
  if (request.texts.empty())
    return InvalidField("texts", "must not be empty", "Send at least one text.");
  if (request.texts.size() > options_.max_batch_texts) {
    return LimitExceeded("texts", static_cast<long long>(request.texts.size()),
                         static_cast<long long>(options_.max_batch_texts), "texts",
                         "Send fewer texts in one call.");
  }
  const bool query = request.input_type == stages::InputType::kQuery;
  const std::string& prefix = query ? options_.query_prefix : options_.passage_prefix;
  std::vector<EncoderInput> inputs;
  inputs.reserve(request.texts.size());
  for (std::size_t i = 0; i < request.texts.size(); ++i) {
    const std::string& text = request.texts[i];
    if (text.size() > options_.max_text_bytes) {
      return LimitExceeded(absl::StrCat("texts[", i, "]"), static_cast<long long>(text.size()),
                           static_cast<long long>(options_.max_text_bytes), "bytes",
                           "Split the text first.");
    }
    inputs.push_back(prefix.empty() ? encoder_->Prepare(text) : encoder_->Prepare(prefix + text));
    if (inputs.back().truncated && !request.truncate)
      return TextTooLong(i, encoder_->model().config().max_tokens);
  }
  return inputs;
}

absl::StatusOr<std::vector<stages::Embedding>> BertEmbedder::Embed(
    const stages::EmbedRequest& request, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(std::vector<EncoderInput> inputs, Prepare(request));
  std::vector<stages::Embedding> embeddings(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    embeddings[i].token_count = static_cast<std::uint32_t>(inputs[i].ids.size());
    embeddings[i].truncated = inputs[i].truncated;
  }
  const Priority priority =
      request.input_type == stages::InputType::kQuery ? Priority::kQuery : Priority::kPassage;
  const EncoderModel& model = encoder_->model();
  const auto reduce = [pooling = model.config().pooling, &kernels = model.kernels()](
                          std::size_t tokens, absl::Span<const float> hidden) {
    return Pool(pooling, kernels, tokens, hidden);
  };
  RAGMESH_ASSIGN_OR_RETURN(auto vectors, encoder_->Run(std::move(inputs), priority, reduce, call));
  for (std::size_t i = 0; i < vectors.size(); ++i) embeddings[i].values = std::move(vectors[i]);
  return embeddings;
}

absl::StatusOr<stages::StageInfo> BertEmbedder::Info(const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  const EncoderConfig& config = encoder_->model().config();
  stages::StageInfo info;
  info.stage = "embedder";
  info.kernel = encoder_->model().kernels().name;
  info.ready = true;
  info.model = {.name = options_.name,
                .digest = encoder_->digest(),
                .architecture = "bert",
                .precision = "f32",
                .dimension = static_cast<std::uint32_t>(config.hidden),
                .max_tokens = static_cast<std::uint32_t>(config.max_tokens)};
  info.limits = {{"max_batch_texts", static_cast<std::int64_t>(options_.max_batch_texts)},
                 {"max_text_bytes", static_cast<std::int64_t>(options_.max_text_bytes)}};
  info.features = {{"pooling", config.pooling == Pooling::kMean ? "mean" : "cls"}};
  return info;
}

}  // namespace ragmesh::embedding
