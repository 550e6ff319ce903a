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
    return Send(assembler_.Finish(), on_token);
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
  stages::TokenEvent event = assembler_.Add(written->token, Text(written->token));
  if (assembler_.stopped()) End();
  return Send(std::move(event), on_token);
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
  for (std::size_t i = 0; i < event.token_ids.size() && !logprobs_.empty(); ++i) {
    event.logprobs.push_back(std::move(logprobs_.front()));
    logprobs_.pop_front();
  }
  return on_token(event);
}

stages::ChoiceEnd Choice::end() const {
  return {assembler_.stopped() ? stages::FinishReason::kStop : outcome_.reason,
          assembler_.stop_sequence(), seed_};
}

}  // namespace ragmesh::generation
