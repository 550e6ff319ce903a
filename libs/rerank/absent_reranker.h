// Stands in for a reranker whose model is not there: the mesh starts, says why, and answers in
// fused order.
#ifndef RAGMESH_LIBS_RERANK_ABSENT_RERANKER_H_
#define RAGMESH_LIBS_RERANK_ABSENT_RERANKER_H_

#include <string>
#include <utility>
#include <vector>

#include "libs/base/error.h"
#include "libs/stages/reranker.h"

namespace ragmesh::rerank {

// Thread-safe.
class AbsentReranker final : public stages::Reranker {
 public:
  // `reason` says what is missing or wrong; `next_step` what a person can do.
  AbsentReranker(std::string reason, std::string next_step)
      : reason_(std::move(reason)), next_step_(std::move(next_step)) {}

  absl::StatusOr<std::vector<stages::Reranked>> Rerank(const stages::RerankRequest&,
                                                       const CallContext&) override {
    return Unavailable("MODEL_NOT_LOADED", reason_, next_step_, absl::Seconds(30));
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext&) override {
    stages::StageInfo info;
    info.stage = "reranker";
    info.not_ready_reason = reason_;
    return info;
  }

 private:
  const std::string reason_;
  const std::string next_step_;
};

}  // namespace ragmesh::rerank

#endif  // RAGMESH_LIBS_RERANK_ABSENT_RERANKER_H_
