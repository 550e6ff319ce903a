// How long each step of a search took.
#ifndef RAGMESH_LIBS_VECTOR_STORE_STEP_TIMER_H_
#define RAGMESH_LIBS_VECTOR_STORE_STEP_TIMER_H_

#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/stages/search_options.h"

namespace ragmesh::vector_store {

// Counts from its making. Not thread-safe.
class StepTimer {
 public:
  // Ends the step that has run since the last one ended; a name that comes again adds to its step.
  void End(const char* name) {
    const absl::Time now = absl::Now();
    const absl::Duration took = now - std::exchange(begun_, now);
    for (stages::SearchStep& step : steps_) {
      if (step.name == name) {
        step.duration += took;
        return;
      }
    }
    steps_.push_back({name, took});
  }
  const std::vector<stages::SearchStep>& steps() const { return steps_; }

 private:
  absl::Time begun_ = absl::Now();
  std::vector<stages::SearchStep> steps_;
};

}  // namespace ragmesh::vector_store

#endif  // RAGMESH_LIBS_VECTOR_STORE_STEP_TIMER_H_
