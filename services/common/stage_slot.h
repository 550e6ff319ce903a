// Where a service finds its core: empty while that is loading, or for good when it could not be
// loaded.
#ifndef RAGMESH_SERVICES_COMMON_STAGE_SLOT_H_
#define RAGMESH_SERVICES_COMMON_STAGE_SLOT_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/stages/stage_info.h"
#include "libs/stages/stage_state.h"
#include "libs/version/version.h"

namespace ragmesh::services {

// `Stage` is an interface of libs/stages. Thread-safe.
template <typename Stage>
class StageSlot {
 public:
  // `name`: "vector-store".
  explicit StageSlot(std::string name) : name_(std::move(name)) {}

  void Fill(std::shared_ptr<Stage> stage) {
    absl::MutexLock lock(&mutex_);
    stage_ = std::move(stage);
  }

  // The stage stays empty; `why` becomes the reason callers get.
  void Fail(const absl::Status& why) {
    absl::MutexLock lock(&mutex_);
    why_ = why;
  }

  // UNAVAILABLE / STAGE_STARTING while loading, UNAVAILABLE / MODEL_NOT_LOADED after a failure,
  // with its next step.
  absl::StatusOr<std::shared_ptr<Stage>> Get() const {
    absl::MutexLock lock(&mutex_);
    if (stage_ != nullptr) return stage_;
    if (why_.ok())
      return Unavailable("STAGE_STARTING", absl::StrCat("the ", name_, " is starting"),
                         "Retry shortly.");
    const auto detail = GetErrorDetail(why_);
    return Unavailable("MODEL_NOT_LOADED",
                       absl::StrCat("the ", name_, " is not ready: ", why_.message()),
                       detail.has_value() ? detail->next_step : "", absl::Seconds(30));
  }

  // What the core says of itself, with this build's name and version; of an empty slot, that it is
  // not ready and why.
  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) const {
    stages::StageInfo info;
    if (const auto stage = Get(); stage.ok()) {
      RAGMESH_ASSIGN_OR_RETURN(info, (*stage)->Info(call));
    } else {
      const auto detail = GetErrorDetail(stage.status());
      if (detail.has_value() && detail->reason == "STAGE_STARTING") {
        info.features[stages::kStateFeature] = stages::kStateStarting;
      }
      info.not_ready_reason = std::string(stage.status().message());
      if (detail.has_value() && !detail->next_step.empty()) {
        absl::StrAppend(&info.not_ready_reason, ". ", detail->next_step);
      }
    }
    info.stage = name_;
    info.version = Version();
    info.commit = Commit();
    return info;
  }

 private:
  const std::string name_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<Stage> stage_ ABSL_GUARDED_BY(mutex_);
  absl::Status why_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_COMMON_STAGE_SLOT_H_
