// Searches, answers, chats.
#include <type_traits>
#include <utility>

#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/wire/common_wire.h"
#include "libs/wire/filter_wire.h"
#include "libs/wire/sampling_wire.h"
#include "libs/wire/search_wire.h"
#include "libs/wire/tools_wire.h"
#include "libs/wire/vector_store_wire.h"
#include "services/gateway/convert_parts.h"
#include "services/gateway/gateway_convert.h"

namespace ragmesh::services {
namespace {

using wire::Field;

constexpr std::size_t kMaxStopBytes = 256;

void Put(const stages::ByteRange& range, ::ragmesh::common::v1::ByteRange* out) {
  out->set_begin(range.begin);
  out->set_end(range.end);
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
  PutDuration(timing.duration, out->mutable_duration());
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

}  // namespace ragmesh::services
