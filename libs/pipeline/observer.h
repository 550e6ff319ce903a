// The seam for metrics: what happens in the pipeline, told to whoever counts it. Calls come from
// any thread, must not block, and must not call back.
#ifndef RAGMESH_LIBS_PIPELINE_OBSERVER_H_
#define RAGMESH_LIBS_PIPELINE_OBSERVER_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace ragmesh::pipeline {

class Observer {
 public:
  virtual ~Observer() = default;
  // `stage` is one of the seven names, `reason` an ErrorDetail reason.
  virtual void OnDegraded(absl::string_view stage, absl::string_view reason) {
    (void)stage, (void)reason;
  }
  // One call to a stage ended.
  virtual void OnStage(absl::string_view stage, absl::Duration took, const absl::Status& status) {
    (void)stage, (void)took, (void)status;
  }
  // The client went away: `spent` is how long stages had worked for it, `lingered` from its going
  // to the end of all work.
  virtual void OnWastedWork(absl::string_view method, absl::Duration spent,
                            absl::Duration lingered) {
    (void)method, (void)spent, (void)lingered;
  }
  // A document of an ingest job reached its end: "succeeded", "unchanged", "failed", "cancelled".
  virtual void OnDocument(absl::string_view outcome) { (void)outcome; }
  // An answer was given: "generated", "extractive", "not_found".
  virtual void OnAnswer(absl::string_view kind) { (void)kind; }

  // Counts nothing; lives as long as the process.
  static Observer& None();
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_OBSERVER_H_
