#include "services/gateway/gateway_convert.h"

#include <google/rpc/error_details.pb.h>

#include <type_traits>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/filter_wire.h"
#include "libs/wire/sampling_wire.h"
#include "libs/wire/search_wire.h"
#include "libs/wire/tools_wire.h"
#include "libs/wire/vector_store_wire.h"

namespace ragmesh::services {
namespace {

using wire::Field;

// As the stages have them: what is over is refused here, not in every document of a job.
constexpr std::size_t kMaxLabels = 64;
constexpr std::size_t kMaxLabelBytes = 128;
constexpr std::size_t kMaxStopBytes = 256;

// Durations of a stage: short, so nanoseconds fit.
void Put(absl::Duration duration, google::protobuf::Duration* out) {
  const std::int64_t ns = absl::ToInt64Nanoseconds(std::max(absl::ZeroDuration(), duration));
  out->set_seconds(ns / 1'000'000'000);
  out->set_nanos(static_cast<std::int32_t>(ns % 1'000'000'000));
}

void Put(const stages::ByteRange& range, ::ragmesh::common::v1::ByteRange* out) {
  out->set_begin(range.begin);
  out->set_end(range.end);
}

// The bytes gRPC would send in its trailers are a google.rpc.Status.
void Put(const absl::Status& status, google::rpc::Status* out) {
  if (!out->ParseFromString(rpc::ToGrpcStatus(status).error_details())) out->Clear();
  out->set_code(static_cast<int>(status.code()));
  if (out->message().empty()) out->set_message(rpc::ToGrpcStatus(status).error_message());
}

gateway_v1::JobState ToProto(journal::State state) {
  switch (state) {
    case journal::State::kQueued:
      return gateway_v1::JOB_STATE_QUEUED;
    case journal::State::kRunning:
      return gateway_v1::JOB_STATE_RUNNING;
    case journal::State::kSucceeded:
      return gateway_v1::JOB_STATE_SUCCEEDED;
    case journal::State::kFailed:
      return gateway_v1::JOB_STATE_FAILED;
    case journal::State::kCancelled:
      return gateway_v1::JOB_STATE_CANCELLED;
  }
  return gateway_v1::JOB_STATE_UNSPECIFIED;
}

void ToProto(const pipeline::Passage& passage, gateway_v1::Passage* out) {
  const stages::StoredChunk& stored = passage.chunk;
  const stages::Chunk& chunk = stored.chunk;
  out->set_number(passage.number);
  out->set_chunk_id(stored.id);
  out->set_document_id(stored.document_id);
  out->set_document_version(stored.document_version);
  out->set_document_name(stored.document_name);
  for (const std::string& heading : chunk.heading_path) out->add_heading_path(heading);
  out->set_page(chunk.page_begin);
  Put(stages::ByteRange{chunk.overlap_begin, chunk.range.end}, out->mutable_range());
  out->set_text(chunk.text);
  out->set_score(passage.score);
  auto* scores = out->mutable_scores();
  const pipeline::Scores& from = passage.scores;
  if (from.dense.has_value()) scores->set_dense(*from.dense);
  if (from.lexical.has_value()) scores->set_lexical(*from.lexical);
  if (from.fused.has_value()) scores->set_fused(*from.fused);
  if (from.reranked.has_value()) scores->set_reranked(*from.reranked);
  if (from.model.has_value()) scores->set_model(*from.model);
  if (from.dense_rank.has_value()) scores->set_dense_rank(*from.dense_rank);
  if (from.lexical_rank.has_value()) scores->set_lexical_rank(*from.lexical_rank);
  if (passage.explanation.has_value())
    wire::ToProto(*passage.explanation, out->mutable_explanation());
  for (const stages::Neighbour& neighbour : passage.neighbours) {
    const stages::Chunk& beside = neighbour.chunk.chunk;
    auto* to = out->add_neighbours();
    to->set_chunk_id(neighbour.chunk.id);
    to->set_position(neighbour.position);
    to->set_page(beside.page_begin);
    Put(stages::ByteRange{beside.overlap_begin, beside.range.end}, to->mutable_range());
    to->set_text(beside.text);
  }
  out->set_position(passage.position);
  out->set_run(passage.run);
}

void ToProto(const pipeline::Degradation& degradation, gateway_v1::Degradation* out) {
  out->set_stage(degradation.stage);
  out->set_reason(degradation.reason);
  out->set_message(degradation.message);
}

void ToProto(const pipeline::StageTiming& timing, gateway_v1::StageTiming* out) {
  out->set_stage(timing.stage);
  Put(timing.duration, out->mutable_duration());
}

void ToProto(const pipeline::Citation& citation, gateway_v1::Citation* out) {
  out->set_number(citation.number);
  out->set_passage(citation.passage);
  out->set_document_id(citation.document_id);
  out->set_document_version(citation.document_version);
  out->set_document_name(citation.document_name);
  out->set_page(citation.page);
  Put(citation.range, out->mutable_range());
  out->set_quote(citation.quote);
  out->set_support(citation.support);
}

void ToProto(const pipeline::Answer& answer, gateway_v1::Answer* out) {
  out->set_text(answer.text);
  switch (answer.kind) {
    case pipeline::AnswerKind::kGenerated:
      out->set_kind(gateway_v1::ANSWER_KIND_GENERATED);
      break;
    case pipeline::AnswerKind::kExtractive:
      out->set_kind(gateway_v1::ANSWER_KIND_EXTRACTIVE);
      break;
    case pipeline::AnswerKind::kNotFound:
      out->set_kind(gateway_v1::ANSWER_KIND_NOT_FOUND);
      break;
  }
  for (const pipeline::AnswerSentence& sentence : answer.sentences) {
    auto* to = out->add_sentences();
    Put(sentence.range, to->mutable_range());
    to->set_supported(sentence.supported);
    to->set_support(sentence.support);
    for (const std::uint32_t number : sentence.citations) to->add_citations(number);
  }
}

// A message that a request may hold.
template <typename In, typename Out>
absl::Status Take(bool there, const In& in, const char* name, std::optional<Out>* out) {
  if (!there) return absl::OkStatus();
  const Field root;
  RAGMESH_ASSIGN_OR_RETURN(*out, wire::FromProto(in, Field(root, name)));
  return absl::OkStatus();
}

template <typename Request>
absl::Status TakeDenseRecall(const Request& request, std::optional<double>* out) {
  if (!request.has_dense_recall()) return absl::OkStatus();
  const Field root;
  RAGMESH_RETURN_IF_ERROR(
      wire::CheckRange(request.dense_recall(), 0.8, 1, Field(root, "dense_recall")));
  *out = request.dense_recall();
  return absl::OkStatus();
}

absl::StatusOr<stages::ChatRole> RoleFrom(gateway_v1::Role role, const Field& field) {
  switch (role) {
    case gateway_v1::ROLE_SYSTEM:
      return stages::ChatRole::kSystem;
    case gateway_v1::ROLE_USER:
      return stages::ChatRole::kUser;
    case gateway_v1::ROLE_ASSISTANT:
      return stages::ChatRole::kAssistant;
    case gateway_v1::ROLE_TOOL:
      return stages::ChatRole::kTool;
    default:
      return field.Invalid("must be system, user, assistant or tool");
  }
}

}  // namespace

void ToProto(const stages::Collection& collection, gateway_v1::Collection* out) {
  out->set_name(collection.config.id.name);
  out->set_description(collection.config.description);
  out->set_embedder_model(collection.config.embedder_model);
  out->set_embedder_digest(collection.config.embedder_digest);
  out->set_dimension(collection.config.dimension);
  out->set_language(collection.config.language);
  wire::ToProto(collection.config.fusion, out->mutable_fusion());
  wire::ToProto(collection.config.rerank, out->mutable_rerank());
  wire::ToProto(stages::Bm25{collection.config.bm25_k1, collection.config.bm25_b},
                out->mutable_bm25());
  wire::ToProto(collection.config.lexical_weights, out->mutable_lexical_weights());
  out->set_dense_recall(collection.config.dense_recall);
  wire::ToProto(collection.created, out->mutable_created());
  out->set_documents(collection.stats.documents);
  out->set_chunks(collection.stats.chunks);
  out->set_text_bytes(collection.stats.text_bytes);
  if (collection.config.retention > absl::ZeroDuration())
    out->mutable_retention()->set_seconds(absl::ToInt64Seconds(collection.config.retention));
}

absl::StatusOr<pipeline::NewCollection> FromProto(
    const gateway_v1::CreateCollectionRequest& request) {
  pipeline::NewCollection collection;
  collection.name = request.name();
  collection.description = request.description();
  if (!request.language().empty()) {
    const Field root;
    RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(request.language(), 2, 8, Field(root, "language")));
    collection.language = request.language();
  }
  RAGMESH_RETURN_IF_ERROR(
      Take(request.has_fusion(), request.fusion(), "fusion", &collection.fusion));
  RAGMESH_RETURN_IF_ERROR(
      Take(request.has_rerank(), request.rerank(), "rerank", &collection.rerank));
  collection.lexical_only = request.lexical_only();
  RAGMESH_RETURN_IF_ERROR(Take(request.has_lexical_weights(), request.lexical_weights(),
                               "lexical_weights", &collection.lexical_weights));
  RAGMESH_RETURN_IF_ERROR(TakeDenseRecall(request, &collection.dense_recall));
  if (request.has_retention()) {
    const Field root;
    RAGMESH_ASSIGN_OR_RETURN(collection.retention,
                             wire::RetentionFrom(request.retention(), Field(root, "retention")));
  }
  return collection;
}

absl::StatusOr<pipeline::CollectionChange> FromProto(
    const gateway_v1::UpdateCollectionRequest& request) {
  pipeline::CollectionChange change;
  change.name = request.collection();
  if (request.has_description()) change.description = request.description();
  RAGMESH_RETURN_IF_ERROR(Take(request.has_fusion(), request.fusion(), "fusion", &change.fusion));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_rerank(), request.rerank(), "rerank", &change.rerank));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_bm25(), request.bm25(), "bm25", &change.bm25));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_lexical_weights(), request.lexical_weights(),
                               "lexical_weights", &change.lexical_weights));
  RAGMESH_RETURN_IF_ERROR(TakeDenseRecall(request, &change.dense_recall));
  if (request.has_retention()) {
    const Field root;
    RAGMESH_ASSIGN_OR_RETURN(change.retention,
                             wire::RetentionFrom(request.retention(), Field(root, "retention")));
  }
  return change;
}

void ToProto(const stages::StoredDocument& document, gateway_v1::Document* out) {
  out->set_id(document.id);
  out->set_version(document.version);
  out->set_name(document.name);
  out->set_uri(document.uri);
  wire::ToProto(document.info, out->mutable_info());
  out->set_text(document.text);
  wire::ToProto(document.metadata, out->mutable_metadata());
  for (const std::string& label : document.acl_labels) out->add_acl_labels(label);
  wire::ToProto(document.updated, out->mutable_updated());
}

absl::StatusOr<journal::IngestOptions> FromProto(const gateway_v1::IngestOptions& options) {
  const Field root, field(root, "options");
  journal::IngestOptions out;
  RAGMESH_ASSIGN_OR_RETURN(out.metadata,
                           wire::FromProto(options.metadata(), Field(field, "metadata")));
  const Field labels(field, "acl_labels");
  RAGMESH_RETURN_IF_ERROR(wire::CheckCount(static_cast<std::size_t>(options.acl_labels_size()), 0,
                                           kMaxLabels, "labels", labels));
  for (const std::string& label : options.acl_labels()) {
    RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(label, 1, kMaxLabelBytes, labels));
    if (label == stages::kAllLabels) return labels.Invalid("must not be \"*\"");
    out.acl_labels.push_back(label);
  }
  if (options.max_chunk_tokens() != 0) {
    RAGMESH_RETURN_IF_ERROR(wire::CheckRange(options.max_chunk_tokens(), 16, 1 << 20,
                                             Field(field, "max_chunk_tokens")));
  }
  if (options.max_chunk_tokens() != 0 &&
      options.overlap_tokens() > options.max_chunk_tokens() / 2) {
    return Field(field, "overlap_tokens").Invalid("must be at most half of max_chunk_tokens");
  }
  out.max_chunk_tokens = options.max_chunk_tokens();
  out.overlap_tokens = options.overlap_tokens();
  return out;
}

absl::StatusOr<pipeline::InlineSource> FromProto(const gateway_v1::UploadHeader& header) {
  const Field root, field(root, "header");
  RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(header.name(), 1, 4096, Field(field, "name")));
  RAGMESH_RETURN_IF_ERROR(
      wire::CheckBytes(header.document_id(), 0, 512, Field(field, "document_id")));
  RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(header.uri(), 0, 4096, Field(field, "uri")));
  RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(header.password(), 0, 1024, Field(field, "password")));
  return pipeline::InlineSource{header.name(), "", header.document_id(), header.uri(),
                                header.password()};
}

absl::StatusOr<pipeline::NewJob> FromProto(const gateway_v1::CreateIngestJobRequest& request) {
  const Field root;
  pipeline::NewJob job;
  job.collection = request.collection();
  job.prune = request.prune();
  RAGMESH_ASSIGN_OR_RETURN(job.options, FromProto(request.options()));
  RAGMESH_RETURN_IF_ERROR(wire::CheckCount(static_cast<std::size_t>(request.sources_size()), 1,
                                           1000, "sources", Field(root, "sources")));
  for (int i = 0; i < request.sources_size(); ++i) {
    const Field field(root, "sources", i);
    const gateway_v1::IngestSource& source = request.sources(i);
    switch (source.source_case()) {
      case gateway_v1::IngestSource::kPath:
        job.sources.push_back(pipeline::PathSource{source.path()});
        break;
      case gateway_v1::IngestSource::kInline: {
        const gateway_v1::InlineDocument& document = source.inline_();
        const Field inlined(field, "inline");
        RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(document.name(), 1, 4096, Field(inlined, "name")));
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckBytes(document.document_id(), 0, 512, Field(inlined, "document_id")));
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckBytes(document.data(), 0, 32 << 20, Field(inlined, "data")));
        RAGMESH_RETURN_IF_ERROR(
            wire::CheckBytes(document.password(), 0, 1024, Field(inlined, "password")));
        job.sources.push_back(pipeline::InlineSource{
            document.name(), document.data(), document.document_id(), "", document.password()});
        break;
      }
      case gateway_v1::IngestSource::SOURCE_NOT_SET:
        return field.Invalid("must be a path or an inline document");
    }
  }
  return job;
}

absl::StatusOr<std::optional<journal::State>> FromProto(gateway_v1::JobState state) {
  for (const journal::State known :
       {journal::State::kQueued, journal::State::kRunning, journal::State::kSucceeded,
        journal::State::kFailed, journal::State::kCancelled}) {
    if (ToProto(known) == state) return std::optional<journal::State>(known);
  }
  if (state == gateway_v1::JOB_STATE_UNSPECIFIED) return std::optional<journal::State>();
  return InvalidField("state", "is not a known state");
}

void ToProto(const journal::JobRecord& job, gateway_v1::Job* out) {
  out->set_id(job.id);
  out->set_collection(job.collection);
  out->set_state(ToProto(job.state));
  wire::ToProto(job.created, out->mutable_created());
  wire::ToProto(job.updated, out->mutable_updated());
  out->set_documents_total(job.documents_total);
  out->set_documents_done(job.documents_done);
  out->set_documents_unchanged(job.documents_unchanged);
  out->set_documents_failed(job.documents_failed);
  out->set_chunks_done(job.chunks_done);
  out->set_chunks_reused(job.chunks_reused);
  if (!job.error.ok()) Put(job.error, out->mutable_error());
  if (!job.change.has_value()) return;
  out->mutable_model_change()->set_embedder_model(job.change->embedder_model);
  out->mutable_model_change()->set_embedder_digest(job.change->embedder_digest);
  out->mutable_model_change()->set_chunks_truncated(job.change->chunks_truncated);
}

void ToProto(const journal::DocumentRecord& document, gateway_v1::JobDocument* out) {
  out->set_document_id(document.document_id);
  out->set_name(document.name);
  out->set_state(ToProto(document.state));
  out->set_step(static_cast<gateway_v1::IngestStep>(document.step));  // same order
  out->set_size_bytes(document.size_bytes);
  out->set_chunks_total(document.chunks_total);
  out->set_chunks_done(document.chunks_done);
  out->set_unchanged(document.unchanged);
  if (!document.error.ok()) Put(document.error, out->mutable_error());
  out->set_attempts(document.attempts);
}

absl::StatusOr<pipeline::SearchRequest> FromProto(const gateway_v1::SearchRequest& request) {
  const Field root;
  pipeline::SearchRequest out;
  out.collection = request.collection();
  out.query = request.query();
  out.top_k = request.top_k();
  RAGMESH_ASSIGN_OR_RETURN(out.mode, wire::FromProto(request.mode(), Field(root, "mode")));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_filter(), request.filter(), "filter", &out.filter));
  out.skip_rerank = request.skip_rerank();
  out.rerank_candidates = request.rerank_candidates();
  RAGMESH_RETURN_IF_ERROR(Take(request.has_fusion(), request.fusion(), "fusion", &out.fusion));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_bm25(), request.bm25(), "bm25", &out.bm25));
  RAGMESH_ASSIGN_OR_RETURN(out.query_syntax,
                           wire::FromProto(request.query_syntax(), Field(root, "query_syntax")));
  RAGMESH_RETURN_IF_ERROR(Take(request.has_lexical_weights(), request.lexical_weights(),
                               "lexical_weights", &out.lexical_weights));
  if (request.has_diversity()) {
    RAGMESH_ASSIGN_OR_RETURN(out.diversity,
                             wire::FromProto(request.diversity(), Field(root, "diversity")));
  }
  RAGMESH_ASSIGN_OR_RETURN(out.neighbours,
                           wire::FromProto(request.neighbours(), Field(root, "neighbours")));
  RAGMESH_RETURN_IF_ERROR(
      wire::CheckDigest(request.embedder_digest(), Field(root, "embedder_digest")));
  out.max_per_document = request.max_per_document();
  out.explain = request.explain();
  out.query_vector.assign(request.query_vector().begin(), request.query_vector().end());
  out.embedder_digest = request.embedder_digest();
  return out;
}

void ToProto(const pipeline::SearchResponse& found, gateway_v1::SearchResponse* out) {
  for (const pipeline::Passage& passage : found.passages) ToProto(passage, out->add_passages());
  for (const pipeline::Degradation& degradation : found.degraded)
    ToProto(degradation, out->add_degraded());
  for (const pipeline::StageTiming& timing : found.timings) ToProto(timing, out->add_timings());
  if (found.explanation.has_value()) wire::ToProto(*found.explanation, out->mutable_explanation());
}

absl::StatusOr<pipeline::AskRequest> FromProto(const gateway_v1::AskRequest& request) {
  pipeline::AskRequest out;
  out.collection = request.collection();
  out.question = request.question();
  switch (request.mode()) {
    case gateway_v1::ANSWER_MODE_UNSPECIFIED:
    case gateway_v1::ANSWER_MODE_AUTO:
      out.mode = pipeline::AnswerMode::kAuto;
      break;
    case gateway_v1::ANSWER_MODE_GENERATED:
      out.mode = pipeline::AnswerMode::kGenerated;
      break;
    case gateway_v1::ANSWER_MODE_EXTRACTIVE:
      out.mode = pipeline::AnswerMode::kExtractive;
      break;
    default:
      return InvalidField("mode", "is not a known mode");
  }
  out.top_k = request.top_k();
  RAGMESH_RETURN_IF_ERROR(Take(request.has_filter(), request.filter(), "filter", &out.filter));
  out.max_tokens = request.max_tokens();
  out.temperature = request.temperature();
  if (request.has_seed()) out.seed = request.seed();
  for (const gateway_v1::Turn& turn : request.history())
    out.history.push_back({turn.question(), turn.answer()});
  return out;
}

void ToProto(const stages::Usage& usage, gateway_v1::Usage* out) {
  out->set_prompt_tokens(usage.prompt_tokens);
  out->set_cached_prompt_tokens(usage.cached_prompt_tokens);
  out->set_completion_tokens(usage.completion_tokens);
}

gateway_v1::FinishReason ToProto(stages::FinishReason reason) {
  switch (reason) {
    case stages::FinishReason::kLength:
      return gateway_v1::FINISH_REASON_LENGTH;
    case stages::FinishReason::kToolCalls:
      return gateway_v1::FINISH_REASON_TOOL_CALLS;
    case stages::FinishReason::kStop:
    case stages::FinishReason::kCancelled:
      break;
  }
  return gateway_v1::FINISH_REASON_STOP;
}

void ToProto(const pipeline::AskEvent& event, gateway_v1::AskResponse* out) {
  std::visit(
      [out](const auto& value) {
        using Event = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Event, pipeline::RetrievalEvent>) {
          out->mutable_retrieval();
          for (const pipeline::Passage& passage : value.passages) {
            ToProto(passage, out->mutable_retrieval()->add_passages());
          }
        } else if constexpr (std::is_same_v<Event, pipeline::TextEvent>) {
          out->mutable_token()->set_text(value.text);
        } else if constexpr (std::is_same_v<Event, pipeline::Citation>) {
          ToProto(value, out->mutable_citation());
        } else if constexpr (std::is_same_v<Event, pipeline::Answer>) {
          ToProto(value, out->mutable_answer());
        } else if constexpr (std::is_same_v<Event, stages::Usage>) {
          ToProto(value, out->mutable_usage());
        } else if constexpr (std::is_same_v<Event, pipeline::TimingsEvent>) {
          for (const pipeline::StageTiming& timing : value.stages)
            ToProto(timing, out->mutable_timings()->add_stages());
        } else if constexpr (std::is_same_v<Event, pipeline::Degradation>) {
          ToProto(value, out->mutable_degraded());
        } else {
          out->mutable_done()->set_finish_reason(ToProto(value.finish_reason));
        }
      },
      event);
}

absl::StatusOr<stages::GenerateRequest> FromProto(const gateway_v1::ChatRequest& request) {
  const Field root;
  RAGMESH_RETURN_IF_ERROR(wire::CheckCount(static_cast<std::size_t>(request.messages_size()), 1,
                                           1024, "messages", Field(root, "messages")));
  stages::ChatMessages messages;
  for (int i = 0; i < request.messages_size(); ++i) {
    const Field field(root, "messages", i);
    const gateway_v1::ChatMessage& message = request.messages(i);
    RAGMESH_RETURN_IF_ERROR(
        wire::CheckBytes(message.content(), 0, 1 << 20, Field(field, "content")));
    stages::ChatMessage to;
    to.content = message.content();
    RAGMESH_ASSIGN_OR_RETURN(to.role, RoleFrom(message.role(), Field(field, "role")));
    RAGMESH_RETURN_IF_ERROR(wire::MessageToolsFromProto(message, field, &to));
    messages.push_back(std::move(to));
  }
  stages::GenerateRequest out;
  RAGMESH_ASSIGN_OR_RETURN(std::vector<stages::Tool> tools, wire::ToolsFromProto(request, root));
  out.prompt = stages::ChatPrompt(std::move(messages), std::move(tools));
  RAGMESH_ASSIGN_OR_RETURN(out.tool_choice, wire::ToolChoiceFromProto(request, root));
  out.max_tokens = request.max_tokens();
  RAGMESH_ASSIGN_OR_RETURN(out.sampling, wire::SamplingFromProto(request, ""));
  RAGMESH_ASSIGN_OR_RETURN(out.choices, wire::ChoicesFromProto(request, Field(root, "choices")));
  RAGMESH_ASSIGN_OR_RETURN(out.top_logprobs,
                           wire::TopLogprobsFromProto(request, Field(root, "top_logprobs")));
  RAGMESH_ASSIGN_OR_RETURN(out.format, wire::FormatFromProto(request, root));
  RAGMESH_RETURN_IF_ERROR(wire::CheckCount(static_cast<std::size_t>(request.stop_size()), 0, 16,
                                           "texts", Field(root, "stop")));
  for (const std::string& stop : request.stop()) {
    RAGMESH_RETURN_IF_ERROR(wire::CheckBytes(stop, 1, kMaxStopBytes, Field(root, "stop")));
    out.stop.push_back(stop);
  }
  return out;
}

void ToProto(const stages::TokenEvent& event, gateway_v1::TextDelta* out) {
  out->set_text(event.text);
  out->set_choice(event.choice);
  for (const stages::TokenLogprobs& logprobs : event.logprobs)
    wire::LogprobsToProto(logprobs, out->add_logprobs());
  for (const stages::ToolCallDelta& delta : event.tool_calls)
    wire::ToProto(delta, out->add_tool_calls());
}

void ToProto(const pipeline::StageStatus& status, gateway_v1::StageStatus* out) {
  wire::ToProto(status.info, out->mutable_info());
  out->set_address(status.address);
  out->set_reachable(status.reachable);
  Put(status.latency, out->mutable_latency());
  out->set_error(status.error);
}

}  // namespace ragmesh::services
