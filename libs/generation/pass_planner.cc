#include "libs/generation/pass_planner.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "libs/generation/forced_tokens.h"

namespace ragmesh::generation {
namespace {

// A disk that takes longer for a passage is slower than computing it.
constexpr absl::Duration kLongestReading = absl::Seconds(1);

}  // namespace

std::size_t PassPlanner::PromptRoom(bool others_write) const {
  const absl::Duration row = schedule_.pace().Reading(1);
  if (!others_write || row <= absl::ZeroDuration()) return options_.prompt_rows;
  const double rows = absl::FDivDuration(options_.prompt_pass, row);
  return static_cast<std::size_t>(std::clamp(rows, 1.0, static_cast<double>(options_.prompt_rows)));
}

bool PassPlanner::RefuseLate(StreamState* stream, std::size_t rows_ahead) const {
  if (stream->in_time || stream->written > 0 || stream->outcome.preemptions > 0) return false;
  stream->in_time = stream->begun;  // then all is known that is to be read, and it is asked no more
  const Pace& pace = schedule_.pace();
  absl::Status status =
      CheckInTime(pace.Reading(rows_ahead), pace.Reading(stream->begun ? stream->RowsLeft() : 0),
                  stream->call.Remaining());
  if (status.ok()) return false;
  stream->End(std::move(status), stages::FinishReason::kCancelled);
  return true;
}

bool PassPlanner::Reserve(const StreamPtr& stream, KvCache* cache, std::size_t positions) {
  while (!cache->Reserve(positions)) {
    if (memory_.Evict()) continue;
    const StreamPtr last = schedule_.running().back();
    schedule_.Preempt(last);
    if (last == stream) return false;
  }
  return true;
}

PassPlanner::Guess PassPlanner::GuessFor(StreamState* stream, std::size_t max) const {
  if (max == 0) return {};
  absl::Span<const std::uint32_t> seen = stream->lookup.Guess(stream->tokens);
  seen = seen.first(std::min(seen.size(), max));
  if (stream->matcher.has_value()) {
    std::vector<std::uint32_t> forced =
        ForcedTokens(*stream->matcher, stream->request.constraint->tokens(), max);
    // Where text came before that is as it must be, it tells how its bytes are parted, and goes on.
    const auto agree = std::mismatch(forced.begin(), forced.end(), seen.begin(), seen.end()).first;
    if (agree != forced.end()) return {std::move(forced), true};
  }
  return {{seen.begin(), seen.end()}, false};
}

void PassPlanner::PlanWriting(const StreamPtr& stream, std::size_t writers, Pass* pass) {
  StreamState& state = *stream;
  Guess guess;
  if (options_.guess) {
    // What lies past the end of the answer need not be known.
    const std::size_t left = state.request.max_tokens - state.written - 1;
    guess = GuessFor(&state, std::min(left, PromptLookup::kMostGuessed / writers));
  }
  if (!Reserve(stream, &state.cache, state.tokens.size() + guess.tokens.size())) return;
  const auto add = [&](std::uint32_t token) {
    const auto position = static_cast<std::uint32_t>(state.read + pass->shares.back().rows++);
    pass->rows.push_back({token, position, &state.cache, true});
  };
  pass->shares.push_back({.stream = stream,
                          .guessed = guess.tokens.size(),
                          .from_grammar = guess.from_grammar,
                          .read = state.read + 1});
  add(state.tokens.back());
  for (const std::uint32_t token : guess.tokens) add(token);
}

// While passages are computed, their keys take memory beside those of the prompt. That must be
// possible at least for a stream that runs alone, or it would start again for ever. It is the same
// for every prompt of these sizes, whatever else runs.
bool PassPlanner::FitsWithPassages(const StreamState& stream) const {
  const auto blocks = [](std::size_t tokens) {
    return (tokens + quant::kBlockPositions - 1) / quant::kBlockPositions;
  };
  std::size_t all = blocks(stream.request.prompt.size() + stream.request.max_tokens);
  for (const StreamState::Passage& passage : stream.passages) all += blocks(passage.size());
  return all <= memory_.pool->blocks();
}

void PassPlanner::Begin(StreamState* stream) {
  stream->begun = true;
  FindPassages(stream);
  // The last token is read in any case: what follows it is asked for.
  const std::size_t most = stream->tokens.size() - 1;
  if (options_.keep_prompts)
    stream->read = memory_.kept.Find(stream->request.tenant, stream->Names(most), &stream->cache);
  std::size_t blended = 0;
  for (StreamState::Passage& passage : stream->passages) {
    passage.placed = passage.end <= stream->read;
    if (passage.placed) continue;
    blended += passage.end - std::max(passage.tail, stream->read);
    const auto tokens = absl::MakeConstSpan(stream->tokens).subspan(passage.begin, passage.size());
    passage.keys = memory_.passages.Find(stream->request.tenant, tokens);
    if (passage.keys == nullptr) {
      passage.own = std::make_shared<KvCache>(memory_.pool.get());
      passage.keys = passage.own;
      passage.reading = memory_.passages.Read(stream->request.tenant, tokens, wake_);
    }
  }
  if (stream->written > 0) return;
  stream->outcome.cached_tokens = stream->read;
  stream->outcome.blended_tokens = blended;
}

// A passage never has the last token of the prompt, so that a stream that starts again takes over
// the same.
void PassPlanner::FindPassages(StreamState* stream) {
  for (const Engine::TokenRange& range : stream->request.passages) {
    StreamState::Passage passage{.begin = range.begin,
                                 .end = std::min(range.end, stream->request.prompt.size() - 1)};
    if (!options_.blend_passages || passage.begin + options_.least_passage > passage.end) continue;
    const double repeated = options_.repeated_share * static_cast<double>(passage.size());
    passage.tail = passage.begin + static_cast<std::size_t>(std::ceil(repeated));
    if (passage.tail < passage.end) stream->passages.push_back(std::move(passage));
  }
  if (!FitsWithPassages(*stream)) stream->passages.clear();
}

std::size_t PassPlanner::PlanPassage(const StreamPtr& stream, std::size_t index, std::size_t room,
                                     Pass* pass) {
  StreamState::Passage& passage = stream->passages[index];
  const std::size_t count = std::min(room, passage.size() - passage.read);
  const std::shared_ptr<KvCache> own = passage.own;  // may be preempted meanwhile
  if (!Reserve(stream, own.get(), passage.read + count)) return 0;
  for (std::size_t i = passage.read; i < passage.read + count; ++i) {
    pass->rows.push_back(
        {stream->tokens[passage.begin + i], static_cast<std::uint32_t>(i), own.get(), false});
  }
  pass->shares.push_back(
      {.stream = stream, .rows = count, .passage = index, .read = passage.read + count});
  return count;
}

bool PassPlanner::TakeReading(const StreamPtr& stream, std::size_t index) {
  StreamState::Passage& passage = stream->passages[index];
  const auto reading = passage.reading;
  if (reading == nullptr) return true;
  if (!reading->ended() && absl::Now() - reading->began() < kLongestReading) return false;
  passage.reading.reset();
  if (!reading->ended() || !reading->found()) return true;  // it is computed instead
  const std::shared_ptr<KvCache> own = passage.own;         // may be preempted meanwhile
  if (!Reserve(stream, own.get(), passage.size())) return true;
  reading->Take(*own);
  passage.read = passage.size();
  const auto tokens = absl::MakeConstSpan(stream->tokens).subspan(passage.begin, passage.size());
  memory_.passages.Keep(stream->request.tenant, tokens, own);
  return true;
}

std::size_t PassPlanner::PlanPrompt(const StreamPtr& stream, std::size_t room, Pass* pass) {
  StreamState& state = *stream;
  std::size_t used = 0;
  bool on_the_way = false;
  for (std::size_t i = 0; i < state.passages.size() && used < room; ++i) {
    if (state.passages[i].Complete()) continue;
    if (!TakeReading(stream, i)) {
      on_the_way = true;
    } else if (schedule_.Runs(stream) && !state.passages[i].Complete()) {
      used += PlanPassage(stream, i, room - used, pass);
    }
  }
  // The rest comes when all are there.
  if (used > 0 || on_the_way || !schedule_.Runs(stream)) return used;
  // All that is taken over gets its place before anything behind it is read.
  std::size_t end = 0;
  std::vector<Pass::Copy> copies;
  for (std::size_t i = 0; i < state.passages.size(); ++i) {
    StreamState::Passage& passage = state.passages[i];
    if (passage.placed) continue;
    passage.placed = true;
    end = passage.end;
    copies.push_back({stream, i});
  }
  std::vector<std::size_t> positions;
  std::size_t at = state.ToReadFrom(state.read);
  for (; positions.size() < room && at < state.tokens.size(); at = state.ToReadFrom(at + 1))
    positions.push_back(at);
  if (!Reserve(stream, &state.cache, std::max(end, positions.back() + 1))) return 0;
  pass->copies.insert(pass->copies.end(), copies.begin(), copies.end());
  for (const std::size_t position : positions) {
    pass->rows.push_back({state.tokens[position], static_cast<std::uint32_t>(position),
                          &state.cache, position + 1 == state.tokens.size()});
  }
  pass->shares.push_back({.stream = stream, .rows = positions.size(), .read = at});
  return positions.size();
}

Pass PassPlanner::Plan() {
  Pass pass;
  const std::vector<StreamPtr> running = schedule_.running();  // some may be preempted on the way
  const auto writers = static_cast<std::size_t>(
      std::count_if(running.begin(), running.end(), [](const auto& s) { return s->Writing(); }));
  for (const StreamPtr& stream : running) {
    if (stream->Writing() && stream->unread.size() < options_.max_unread && schedule_.Runs(stream))
      PlanWriting(stream, writers, &pass);
  }
  std::size_t room = PromptRoom(!pass.rows.empty());
  std::size_t rows_ahead = 0;
  for (const StreamPtr& stream : running) {
    if (stream->Writing() || stream->ended || !schedule_.Runs(stream)) continue;
    if (room > 0 && !stream->begun) Begin(stream.get());
    if (RefuseLate(stream.get(), rows_ahead)) continue;
    if (stream->begun) rows_ahead += stream->RowsLeft();
    if (room > 0) room -= PlanPrompt(stream, room, &pass);
  }
  // A stream that was preempted for the sake of one before it has no rows any more, and passages
  // that others were to get may have lost their place.
  const auto gone = [this](const auto& part) { return !schedule_.Runs(part.stream); };
  if (std::none_of(pass.shares.begin(), pass.shares.end(), gone) &&
      std::none_of(pass.copies.begin(), pass.copies.end(), gone)) {
    return pass;
  }
  for (const Pass::Copy& copy : pass.copies) {
    if (schedule_.Runs(copy.stream)) copy.stream->passages[copy.passage].placed = false;
  }
  return {};
}

}  // namespace ragmesh::generation
