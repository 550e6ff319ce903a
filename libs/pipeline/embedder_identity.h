// Which embedder is there right now: what collections are bound to.
#ifndef RAGMESH_LIBS_PIPELINE_EMBEDDER_IDENTITY_H_
#define RAGMESH_LIBS_PIPELINE_EMBEDDER_IDENTITY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/base/clock.h"
#include "libs/stages/embedder.h"

namespace ragmesh::pipeline {

// Thread-safe.
class EmbedderIdentity {
 public:
  struct Identity {
    stages::ModelInfo model;
    std::uint32_t max_batch_texts = 32;
    std::string vectors_digest;  // of token vectors, PassageTokens::encoder; empty: it gives none
  };

  explicit EmbedderIdentity(stages::Embedder& embedder, const Clock& clock = Clock::Real())
      : embedder_(embedder), clock_(clock) {}

  // Asks the stage at most once in 5 s while it answers. UNAVAILABLE / MODEL_NOT_LOADED when it has
  // no weights.
  absl::StatusOr<Identity> Get(const CallContext& call);
  // What it was when it last answered; empty before.
  std::string LastDigest();
  // Asks again next time: a call to the stage just failed.
  void Forget();

 private:
  stages::Embedder& embedder_;
  const Clock& clock_;
  absl::Mutex mutex_;
  std::optional<Identity> known_ ABSL_GUARDED_BY(mutex_);
  absl::Time asked_ ABSL_GUARDED_BY(mutex_);
  std::string last_digest_ ABSL_GUARDED_BY(mutex_);
};

// FAILED_PRECONDITION / EMBEDDER_MISMATCH unless `digest` is the one the collection was filled
// with.
absl::Status CheckEmbedderMatches(const std::string& collection_digest,
                                  const EmbedderIdentity::Identity& identity);

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_EMBEDDER_IDENTITY_H_
