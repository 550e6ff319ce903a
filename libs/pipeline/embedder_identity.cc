#include "libs/pipeline/embedder_identity.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/stages/stage_state.h"

namespace ragmesh::pipeline {
namespace {

// Long enough to spare a round trip a query, short enough that a swapped model is seen before much
// work is wasted; the store refuses foreign vectors in any case.
constexpr absl::Duration kFresh = absl::Seconds(5);

}  // namespace

absl::StatusOr<EmbedderIdentity::Identity> EmbedderIdentity::Get(const CallContext& call) {
  {
    absl::MutexLock lock(&mutex_);
    if (known_.has_value() && clock_.Now() - asked_ < kFresh) return *known_;
  }
  RAGMESH_ASSIGN_OR_RETURN(const stages::StageInfo info, embedder_.Info(call));
  if (const auto state = info.features.find(stages::kStateFeature);
      state != info.features.end() && state->second == stages::kStateStarting) {
    return Unavailable("STAGE_STARTING", "the embedder is starting", "Retry shortly.");
  }
  if (!info.ready || info.model.digest.empty()) {
    return Unavailable(
        "MODEL_NOT_LOADED",
        info.not_ready_reason.empty() ? "the embedder has no weights" : info.not_ready_reason,
        "run `ragmesh models pull` where the embedder runs");
  }
  Identity identity{info.model};
  const auto vectors = info.features.find("passage_vectors");
  if (vectors != info.features.end()) identity.vectors_digest = vectors->second;
  const auto limit = info.limits.find("max_batch_texts");
  if (limit != info.limits.end()) {
    identity.max_batch_texts =
        static_cast<std::uint32_t>(std::clamp<std::int64_t>(limit->second, 1, 4096));
  }
  absl::MutexLock lock(&mutex_);
  known_ = identity;
  last_digest_ = identity.model.digest;
  asked_ = clock_.Now();
  return identity;
}

std::string EmbedderIdentity::LastDigest() {
  absl::MutexLock lock(&mutex_);
  return last_digest_;
}

void EmbedderIdentity::Forget() {
  absl::MutexLock lock(&mutex_);
  known_.reset();
}

absl::Status CheckEmbedderMatches(const std::string& collection_digest,
                                  const EmbedderIdentity::Identity& identity) {
  if (identity.model.digest == collection_digest) return absl::OkStatus();
  return WrongState(
      "EMBEDDER_MISMATCH",
      absl::StrCat("the collection was filled with embedder ", collection_digest.substr(0, 12),
                   ", the one running is ", identity.model.digest.substr(0, 12), " (",
                   identity.model.name, ")"),
      "run the embedder the collection was made with, or give the collection the new one: "
      "ragmesh collections change-model");
}

}  // namespace ragmesh::pipeline
