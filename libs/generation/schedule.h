// Which generations run, and which wait for their turn.
#ifndef RAGMESH_LIBS_GENERATION_SCHEDULE_H_
#define RAGMESH_LIBS_GENERATION_SCHEDULE_H_

#include <cstddef>
#include <deque>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "libs/generation/kv_memory.h"
#include "libs/generation/pace.h"
#include "libs/generation/stream_state.h"

namespace ragmesh::generation {

// A bounded queue, out of which tenants take turns, and within one the call that must end first
// goes first. A stream that gave up its memory waits again. Not thread-safe.
class Schedule {
 public:
  Schedule(std::size_t max_running, std::size_t max_waiting)
      : max_running_(max_running), max_waiting_(max_waiting) {}

  // RESOURCE_EXHAUSTED / QUEUE_FULL, and / DEADLINE_TOO_SHORT for a stream whose call would end
  // while it waits; both say when to retry. A stream that can begin at once does not wait.
  absl::Status Add(const StreamPtr& stream);

  bool CanAdmit() const { return !waiting_.empty() && running_.size() < max_running_; }
  // Lets waiting streams begin while there is memory for what they have to read.
  void Admit(const KvMemory& memory);
  // Takes the stream's memory; it waits, before all others, to start again.
  void Preempt(const StreamPtr& stream);
  Pace& pace() { return pace_; }
  // Forgets the streams of which `is_over` says so.
  void Drop(absl::FunctionRef<bool(const StreamPtr&)> is_over);

  const std::deque<StreamPtr>& waiting() const { return waiting_; }
  const std::vector<StreamPtr>& running() const { return running_; }  // in order of admission
  bool Runs(const StreamPtr& stream) const;

 private:
  std::deque<StreamPtr>::iterator NextToAdmit();
  absl::Status CheckWait(const StreamState& stream) const;

  const std::size_t max_running_, max_waiting_;
  Pace pace_;
  std::deque<StreamPtr> waiting_;
  std::vector<StreamPtr> running_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_SCHEDULE_H_
