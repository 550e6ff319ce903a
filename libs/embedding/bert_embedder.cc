#include "libs/embedding/bert_embedder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/embedding/pooling.h"

namespace ragmesh::embedding {
namespace {

absl::Status TextTooLong(std::size_t index, std::size_t tokens, std::size_t limit) {
  const std::string field = absl::StrCat("texts[", index, "]");
  return MakeError(
      absl::StatusCode::kInvalidArgument,
      absl::StrCat(field, " has ", tokens, " tokens, more than the ", limit, " the model reads"),
      {.reason = "TEXT_TOO_LONG",
       .field = field,
       .next_step = "Split the text, or set truncate.",
       .metadata = {{"tokens", absl::StrCat(tokens)}, {"max_tokens", absl::StrCat(limit)}}});
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
    if (inputs.back().truncated() && !request.truncate)
      return TextTooLong(i, inputs.back().full_size, encoder_->model().config().max_tokens);
  }
  return inputs;
}

absl::StatusOr<std::vector<stages::Embedding>> BertEmbedder::Embed(
    const stages::EmbedRequest& request, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(std::vector<EncoderInput> inputs, Prepare(request));
  std::vector<stages::Embedding> embeddings(inputs.size());
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    embeddings[i].token_count = static_cast<std::uint32_t>(inputs[i].ids.size());
    embeddings[i].truncated = inputs[i].truncated();
  }
  const Priority priority =
      request.input_type == stages::InputType::kQuery ? Priority::kQuery : Priority::kPassage;
  RAGMESH_ASSIGN_OR_RETURN(auto vectors, encoder_->Run(std::move(inputs), priority,
                                                       SentenceVectors(encoder_->model()), call));
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
                .architecture = std::string(ToString(config.layout)),
                .precision = std::string(linalg::ToString(encoder_->model().precision())),
                .dimension = static_cast<std::uint32_t>(config.hidden),
                .max_tokens = static_cast<std::uint32_t>(config.max_tokens)};
  info.limits = {{"max_batch_texts", static_cast<std::int64_t>(options_.max_batch_texts)},
                 {"max_text_bytes", static_cast<std::int64_t>(options_.max_text_bytes)}};
  const bool shared = encoder_->model().weights().packed != nullptr;
  info.features = {{"pooling", config.pooling == Pooling::kMean ? "mean" : "cls"},
                   {"packed_weights", shared ? "shared" : "private"}};
  return info;
}

}  // namespace ragmesh::embedding
