// One generation, as the engine and its reader share it.
#ifndef RAGMESH_LIBS_GENERATION_STREAM_STATE_H_
#define RAGMESH_LIBS_GENERATION_STREAM_STATE_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"
#include "libs/generation/engine.h"
#include "libs/generation/kv_cache.h"
#include "libs/generation/passage_cache.h"
#include "libs/generation/prompt_lookup.h"
#include "libs/generation/sampler.h"
#include "libs/grammar/constraint.h"

namespace ragmesh::generation {

// Shared by the reader and the engine thread. Fields marked (engine) belong to the engine thread
// alone once the stream runs; the rest is guarded by the engine's mutex.
struct StreamState {
  StreamState(Engine::Request asked, const CallContext& call, KvPool* pool)
      : request(std::move(asked)),
        sampler(request.sampling, request.seed, request.breakers),
        call(call),
        tokens(request.prompt),
        cache(pool) {
    if (request.constraint != nullptr) matcher.emplace(request.constraint);
  }

  bool GivenUp() const { return abandoned.load(std::memory_order_relaxed) || !call.Check().ok(); }
  // A passage that is taken over. Its keys are of it standing by itself; here, or elsewhere, they
  // are computed first.
  struct Passage {
    std::size_t begin = 0, end = 0;  // in the prompt
    std::size_t tail = 0;            // from where on it is taken over
    PassageCache::Keys keys;
    std::shared_ptr<KvCache> own;                     // `keys`, while they are computed here
    std::size_t read = 0;                             // of its tokens, in `own`
    std::shared_ptr<PassageFolder::Reading> reading;  // `own`, while it comes from disk
    bool placed = false;

    std::size_t size() const { return end - begin; }
    bool Complete() const { return own == nullptr || read == size(); }
  };

  // Position `at`, or the first behind it that is not taken over.
  std::size_t ToReadFrom(std::size_t at) const {
    for (const Passage& passage : passages)
      if (passage.placed && at >= passage.tail && at < passage.end) return passage.end;
    return at;
  }
  // By what the first `count` positions are kept: their tokens, marked where they are taken over
  // from a passage, since that makes them and all that follows a little different.
  std::vector<std::uint32_t> Names(std::size_t count) const {
    constexpr std::uint32_t kTakenOver = std::uint32_t{1} << 31;
    std::vector<std::uint32_t> names(tokens.begin(),
                                     tokens.begin() + static_cast<std::ptrdiff_t>(count));
    for (const Passage& passage : passages) {
      for (std::size_t i = passage.tail; i < std::min(passage.end, count); ++i)
        names[i] |= kTakenOver;
    }
    return names;
  }

  // Under the engine's mutex.
  void End(absl::Status why, stages::FinishReason reason) {
    ended = true;
    paused = absl::InfiniteFuture();
    status = std::move(why);
    outcome.reason = reason;
    if (written > 0) outcome.decode_seconds = absl::ToDoubleSeconds(absl::Now() - first);
  }

  void StartAgain() {
    cache.Clear();
    passages.clear();
    read = 0;
    begun = false;
  }

  // All passages that are not complete are on their way from disk.
  bool AwaitsDisk() const {
    bool awaits = false;
    for (const Passage& passage : passages) {
      if (passage.placed || passage.Complete()) continue;
      if (passage.reading == nullptr || passage.reading->ended()) return false;
      awaits = true;
    }
    return awaits;
  }

  // Of the prompt, to be read before the first token; known once the stream has begun. What comes
  // from disk counts as there.
  std::size_t RowsLeft() const {
    std::size_t rows = ToRead();
    for (const Passage& passage : passages) {
      if (passage.end <= read) continue;
      rows -= passage.end - std::max(passage.tail, read);
      if (passage.own != nullptr && passage.reading == nullptr)
        rows += passage.size() - passage.read;
    }
    return rows;
  }

  // Of `tokens`, not yet in the cache. One, and something written: the stream is writing.
  std::size_t ToRead() const { return tokens.size() - read; }
  bool Writing() const { return written > 0 && ToRead() == 1; }

  const Engine::Request request;
  Sampler sampler;                          // (engine)
  std::optional<grammar::Matcher> matcher;  // (engine)
  const CallContext call;
  std::atomic<bool> abandoned{false};

  std::vector<std::uint32_t> tokens;  // (engine) prompt and what was written
  std::size_t read = 0;               // (engine) positions in the cache that are valid
  bool begun = false;                 // (engine)
  bool in_time = false;               // (engine) its deadline has been found to leave enough time
  KvCache cache;                      // (engine)
  std::vector<Passage> passages;      // (engine)
  PromptLookup lookup;                // (engine)
  std::size_t written = 0;            // tokens chosen

  std::deque<Engine::Written> unread;
  absl::Time paused = absl::InfiniteFuture();  // since when it has been full
  bool ended = false;
  absl::Status status;
  Engine::Outcome outcome;
  absl::Time submitted, admitted, first;
};

using StreamPtr = std::shared_ptr<StreamState>;

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_STREAM_STATE_H_
