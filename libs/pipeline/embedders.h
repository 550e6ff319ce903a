// The embedders of a mesh: the one that new collections are bound to, and, while collections change
// their model, the next one. What belongs to a collection is embedded by the one it is bound to.
#ifndef RAGMESH_LIBS_PIPELINE_EMBEDDERS_H_
#define RAGMESH_LIBS_PIPELINE_EMBEDDERS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/call_context.h"
#include "libs/pipeline/embedder_identity.h"
#include "libs/stages/embedder.h"

namespace ragmesh::pipeline {

// Thread-safe. The stages are borrowed.
class Embedders {
 public:
  // One of them, with what it was when it was looked at.
  struct Bound {
    stages::Embedder* stage = nullptr;
    EmbedderIdentity* watch = nullptr;  // Forget when a call to `stage` failed
    EmbedderIdentity::Identity identity;
  };

  // `next` may be null.
  explicit Embedders(stages::Embedder& first, stages::Embedder* next = nullptr,
                     const Clock& clock = Clock::Real());

  // The one that new collections are bound to. UNAVAILABLE / MODEL_NOT_LOADED without weights.
  absl::StatusOr<Bound> First(const CallContext& call);
  // The one whose vectors a collection with `digest` holds. FAILED_PRECONDITION / EMBEDDER_MISMATCH
  // when neither is it; the error of one that cannot be reached, since it may be the one.
  absl::StatusOr<Bound> For(const std::string& digest, const CallContext& call);
  // By the name of its model, or the digest of its weights. Empty: the only one whose digest is not
  // `other_than`, the next one first. FAILED_PRECONDITION / EMBEDDER_NOT_SERVED, saying which are.
  absl::StatusOr<Bound> Named(const std::string& name, const std::string& other_than,
                              const CallContext& call);

 private:
  struct One {
    stages::Embedder* stage;
    std::unique_ptr<EmbedderIdentity> identity;
  };
  void ForgetAll();
  static absl::StatusOr<Bound> Look(const One& one, const CallContext& call);

  std::vector<One> all_;
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_EMBEDDERS_H_
