#include "libs/embedding/bert_embedder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/embedding/pooling.h"
#include "libs/embedding/token_vectors.h"

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

absl::StatusOr<BertEmbedder::Prepared> BertEmbedder::Prepare(
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
  Prepared prepared;
  prepared.inputs.reserve(request.texts.size());
  std::size_t vector_bytes = 0;
  for (std::size_t i = 0; i < request.texts.size(); ++i) {
    const std::string& text = request.texts[i];
    if (text.size() > options_.max_text_bytes) {
      return LimitExceeded(absl::StrCat("texts[", i, "]"), static_cast<long long>(text.size()),
                           static_cast<long long>(options_.max_text_bytes), "bytes",
                           "Split the text first.");
    }
    std::vector<std::uint32_t> ids = encoder_->Tokenize(prefix.empty() ? text : prefix + text);
    prepared.inputs.push_back(encoder_->Prepare(ids));
    const EncoderInput& input = prepared.inputs.back();
    if (input.truncated() && !request.truncate)
      return TextTooLong(i, input.full_size, encoder_->model().config().max_tokens);
    if (Details(request) != stages::TokenDetail::kNone) prepared.ids.push_back(std::move(ids));
    vector_bytes += input.ids.size() * encoder_->model().config().hidden;
  }
  if (Details(request) == stages::TokenDetail::kVectors &&
      vector_bytes > options_.max_vector_bytes) {
    return LimitExceeded("texts", static_cast<long long>(vector_bytes),
                         static_cast<long long>(options_.max_vector_bytes),
                         "bytes of token vectors", "Send fewer texts in one call.");
  }
  return prepared;
}

stages::TokenDetail BertEmbedder::Details(const stages::EmbedRequest& request) const {
  const bool query = request.input_type == stages::InputType::kQuery;
  return (query ? options_.query_prefix : options_.passage_prefix).empty()
             ? request.token_detail
             : stages::TokenDetail::kNone;
}

absl::StatusOr<std::vector<stages::Embedding>> BertEmbedder::Embed(
    const stages::EmbedRequest& request, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(Prepared prepared, Prepare(request));
  std::vector<stages::Embedding> embeddings(request.texts.size());
  for (std::size_t i = 0; i < embeddings.size(); ++i) {
    embeddings[i].token_count = static_cast<std::uint32_t>(prepared.inputs[i].ids.size());
    embeddings[i].truncated = prepared.inputs[i].truncated();
  }
  struct States {
    std::vector<float> sentence;
    std::string token_vectors;
  };
  const auto reduce = [sentence = SentenceVectors(encoder_->model()),
                       &kernels = encoder_->model().kernels(),
                       wanted = Details(request) == stages::TokenDetail::kVectors](
                          std::size_t tokens, absl::Span<const float> hidden) {
    States states{sentence(tokens, hidden), ""};
    if (wanted) states.token_vectors = RoundTokenVectors(kernels, tokens, hidden).bytes;
    return states;
  };
  const Priority priority =
      request.input_type == stages::InputType::kQuery ? Priority::kQuery : Priority::kPassage;
  RAGMESH_ASSIGN_OR_RETURN(std::vector<States> states,
                           encoder_->Run(std::move(prepared.inputs), priority, reduce, call));
  for (std::size_t i = 0; i < embeddings.size(); ++i) {
    embeddings[i].values = std::move(states[i].sentence);
    if (prepared.ids.empty() || prepared.ids[i].size() > stages::kMaxPassageIds) continue;
    stages::PassageTokens& tokens = embeddings[i].tokens;
    tokens.tokenizer = encoder_->tokenizer_digest();
    tokens.ids = std::move(prepared.ids[i]);
    if (states[i].token_vectors.empty()) continue;
    tokens.encoder = encoder_->states_digest();
    tokens.vectors = std::move(states[i].token_vectors);
  }
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
  if (options_.passage_prefix.empty()) {
    info.features["passage_ids"] = encoder_->tokenizer_digest();
    info.features["passage_vectors"] = encoder_->states_digest();
  }
  return info;
}

}  // namespace ragmesh::embedding
