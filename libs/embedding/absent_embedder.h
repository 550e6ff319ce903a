// Stands in for an embedder whose model is not there: the mesh starts, says why, and degrades.
#ifndef RAGMESH_LIBS_EMBEDDING_ABSENT_EMBEDDER_H_
#define RAGMESH_LIBS_EMBEDDING_ABSENT_EMBEDDER_H_

#include <string>
#include <utility>
#include <vector>

#include "libs/base/error.h"
#include "libs/stages/embedder.h"

namespace ragmesh::embedding {

// Thread-safe.
class AbsentEmbedder final : public stages::Embedder {
 public:
  // `reason` says what is missing or wrong; `next_step` what a person can do, for example "Run
  // `ragmesh models pull`."
  AbsentEmbedder(std::string reason, std::string next_step)
      : reason_(std::move(reason)), next_step_(std::move(next_step)) {}

  absl::StatusOr<std::vector<stages::Embedding>> Embed(const stages::EmbedRequest&,
                                                       const CallContext&) override {
    return Unavailable("MODEL_NOT_LOADED", reason_, next_step_, absl::Seconds(30));
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext&) override {
    stages::StageInfo info;
    info.stage = "embedder";
    info.not_ready_reason = reason_;
    return info;
  }

 private:
  const std::string reason_;
  const std::string next_step_;
};

}  // namespace ragmesh::embedding

#endif  // RAGMESH_LIBS_EMBEDDING_ABSENT_EMBEDDER_H_
