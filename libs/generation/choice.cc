#include "libs/generation/choice.h"

#include <utility>

#include "libs/base/status_macros.h"

namespace ragmesh::generation {

// Rows past the vocabulary are padding, and control tokens are structure: neither has text.
absl::string_view Choice::Text(std::uint32_t id) const {
  const auto& tokenizer = *vocabulary_.tokenizer;
  const bool has_text = id < tokenizer.size() && tokenizer.kind(id) != text::TokenKind::kControl;
  return has_text ? tokenizer.Bytes(id) : "";
}

absl::Status Choice::Advance(OnToken on_token) {
  RAGMESH_ASSIGN_OR_RETURN(std::optional<Engine::Written> written, stream_->Next());
  if (!written.has_value()) {
    End();
    return SendRest(on_token);
  }
  ++tokens_;
  if (written->logprobs.has_value()) {
    const auto spell = [this](stages::ScoredToken& token) {
      const absl::string_view text = Text(token.token_id);
      token.bytes.assign(text.data(), text.size());
    };
    spell(written->logprobs->chosen);
    for (stages::ScoredToken& token : written->logprobs->top) spell(token);
    logprobs_.push_back(*std::move(written->logprobs));
  }
  if (tools_ != nullptr) {
    if (const auto control = tools_->controls.find(written->token);
        control != tools_->controls.end()) {
      // What is held back is no part of a stop string any more: no text goes on behind it.
      RAGMESH_RETURN_IF_ERROR(Send(assembler_.Finish(), on_token));
      return Send({.text = control->second, .token_ids = {written->token}}, on_token);
    }
  }
  stages::TokenEvent event = assembler_.Add(written->token, Text(written->token));
  if (!assembler_.stopped()) return Send(std::move(event), on_token);
  End();
  RAGMESH_RETURN_IF_ERROR(Send(std::move(event), on_token));
  return SendRest(on_token);
}

absl::Status Choice::SendRest(OnToken on_token) {
  RAGMESH_RETURN_IF_ERROR(Send(assembler_.Finish(), on_token));
  if (tools_ == nullptr) return absl::OkStatus();
  ToolCallReader::Piece rest = tools_->reader.Finish();
  if (rest.text.empty() && rest.calls.empty()) return absl::OkStatus();
  stages::TokenEvent event{.text = std::move(rest.text), .token_ids = {}, .choice = index_};
  event.tool_calls = std::move(rest.calls);
  return on_token(event);
}

void Choice::End() {
  outcome_ = stream_->outcome();
  stream_.reset();
}

// Tokens leave the assembler in the order in which they went in, so what was kept of each is first
// in its list when it leaves.
absl::Status Choice::Send(stages::TokenEvent event, OnToken on_token) {
  if (event.text.empty() && event.token_ids.empty()) return absl::OkStatus();
  event.choice = index_;
  if (tools_ != nullptr) {
    ToolCallReader::Piece piece = tools_->reader.Add(event.text);
    event.text = std::move(piece.text);
    event.tool_calls = std::move(piece.calls);
  }
  for (std::size_t i = 0; i < event.token_ids.size() && !logprobs_.empty(); ++i) {
    event.logprobs.push_back(std::move(logprobs_.front()));
    logprobs_.pop_front();
  }
  return on_token(event);
}

stages::ChoiceEnd Choice::end() const {
  stages::FinishReason reason = outcome_.reason;
  if (assembler_.stopped()) {
    reason = stages::FinishReason::kStop;
  } else if (reason == stages::FinishReason::kStop && tools_ != nullptr &&
             tools_->reader.calls() > 0) {
    reason = stages::FinishReason::kToolCalls;
  }
  return {reason, assembler_.stop_sequence(), seed_};
}

}  // namespace ragmesh::generation
