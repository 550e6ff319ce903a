// What a pass has brought: positions that are valid now, and tokens.
#include <algorithm>
#include <utility>

#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/generation/engine.h"
#include "libs/generation/kv_memory.h"
#include "libs/generation/logprobs.h"
#include "libs/generation/pass_planner.h"
#include "libs/generation/stream_state.h"

namespace ragmesh::generation {

void Engine::Deliver(StreamState& stream, Written written) {
  if (stream.written == 0) {
    stream.first = absl::Now();
    stream.outcome.queue_seconds = absl::ToDoubleSeconds(stream.admitted - stream.submitted);
    stream.outcome.prefill_seconds = absl::ToDoubleSeconds(stream.first - stream.admitted);
  }
  const std::uint32_t token = written.token;
  stream.tokens.push_back(token);
  stream.unread.push_back(std::move(written));
  if (stream.unread.size() == options_.max_unread) stream.paused = absl::Now();
  ++stream.written;
  const auto& ends = stream.request.end_ids;
  if (std::find(ends.begin(), ends.end(), token) != ends.end()) {
    stream.End(absl::OkStatus(), stages::FinishReason::kStop);
  } else if (stream.written >= stream.request.max_tokens) {
    stream.End(absl::OkStatus(), stages::FinishReason::kLength);
  }
}

// The next token of a stream; a status that ends it. `ended` says that its constraint lets nothing
// follow, not even the end of the text.
absl::StatusOr<Engine::Written> Engine::Choose(StreamState& stream, absl::Span<const float> logits,
                                               bool* ended) {
  const Request& request = stream.request;
  Sampler::Step step = {.logits = logits, .context = stream.tokens, .forbidden = request.forbidden};
  if (stream.matcher.has_value()) {
    mask_.assign((logits.size() + 31) / 32, 0);
    RAGMESH_RETURN_IF_ERROR(stream.matcher->Mask(absl::MakeSpan(mask_)));
    if (stream.matcher->CanEnd()) {
      for (const std::uint32_t end : request.end_ids) mask_[end / 32] |= 1u << end % 32;
    }
    *ended = std::all_of(mask_.begin(), mask_.end(), [](std::uint32_t word) { return word == 0; });
    if (*ended) return Written{};
    step.allowed = mask_;
  }
  const std::optional<std::uint32_t> token = stream.sampler.Pick(step);
  if (!token.has_value()) {
    return MakeError(absl::StatusCode::kInternal, "the model's output holds no number",
                     {.reason = "MODEL_OUTPUT_NOT_FINITE",
                      .next_step = "Compare the SHA-256 of the model file with its source."});
  }
  if (stream.matcher.has_value()) stream.matcher->Accept(*token);  // ends of text it does not know
  Written written{.token = *token};
  if (request.top_logprobs.has_value())
    written.logprobs = ReadLogprobs(logits, *token, *request.top_logprobs);
  return written;
}

void Engine::TakePassage(StreamState* stream, std::size_t index, std::size_t read) {
  StreamState::Passage& passage = stream->passages[index];
  passage.read = read;
  if (!passage.Complete()) return;
  const auto tokens = absl::MakeConstSpan(stream->tokens).subspan(passage.begin, passage.size());
  memory_->passages.Keep(stream->request.tenant, tokens, passage.keys);
}

// Tokens from row `logits` of the logits on: as many of `guesses` as come true, and one more.
void Engine::TakeTokens(StreamState* stream, absl::Span<const BatchRow> guesses, bool from_grammar,
                        std::size_t logits) {
  std::size_t right = 0;
  for (std::size_t i = 0; i <= guesses.size(); ++i) {
    bool ended = false;
    absl::StatusOr<Written> written = Choose(*stream, decoder_->Logits(logits + i), &ended);
    const bool goes_on = written.ok() && i < guesses.size() && written->token == guesses[i].token;
    absl::MutexLock lock(&mutex_);
    if (!written.ok() || ended) {
      stream->End(written.status(), stages::FinishReason::kStop);
      break;
    }
    Deliver(*stream, *std::move(written));
    if (!goes_on || stream->ended) break;
    ++stream->read;  // the guess is in the cache already
    ++right;
  }
  if (guesses.empty()) return;
  if (!from_grammar) stream->lookup.Learn(guesses.size(), right);
  absl::MutexLock lock(&mutex_);
  stream->outcome.guessed += guesses.size();
  stream->outcome.guessed_right += right;
}

void Engine::Take(const Pass& pass) {
  std::size_t row = 0, logits = 0;
  for (const Pass::Share& share : pass.shares) {
    StreamState& stream = *share.stream;
    const auto rows = absl::MakeConstSpan(pass.rows).subspan(row, share.rows);
    row += share.rows;
    if (share.passage.has_value()) {
      TakePassage(&stream, *share.passage, share.read);
      continue;
    }
    const bool wrote = stream.Writing();
    stream.read = share.read;
    if (!wrote) Keep(stream);
    const auto guesses = rows.last(share.guessed);
    if (!rows[rows.size() - guesses.size() - 1].wants_logits) continue;
    TakeTokens(&stream, guesses, share.from_grammar, logits);
    logits += guesses.size() + 1;
  }
}

}  // namespace ragmesh::generation
