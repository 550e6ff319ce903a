#include "libs/generation/schedule.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::generation {

absl::Status Schedule::Add(const StreamPtr& stream) {
  const bool begins = waiting_.empty() && running_.size() < max_running_;
  if (!begins) {
    if (waiting_.size() >= max_waiting_)
      return QueueFull(RetryAfter(pace_.Waiting(0, max_running_)));
    RAGMESH_RETURN_IF_ERROR(CheckWait(*stream));
  }
  waiting_.push_back(stream);
  return absl::OkStatus();
}

// Only what is certain to go first is counted: streams of the same tenant that must end earlier.
absl::Status Schedule::CheckWait(const StreamState& stream) const {
  if (running_.size() < max_running_) return absl::OkStatus();  // memory, not places, is short
  const auto ahead =
      std::count_if(waiting_.begin(), waiting_.end(), [&stream](const StreamPtr& other) {
        return other->request.tenant == stream.request.tenant &&
               other->call.deadline() <= stream.call.deadline();
      });
  return CheckInTime(pace_.Waiting(static_cast<std::size_t>(ahead), max_running_),
                     absl::ZeroDuration(), stream.call.Remaining());
}

// The tenant with the fewest running streams is next; among equals, and within one, the call that
// must end first.
std::deque<StreamPtr>::iterator Schedule::NextToAdmit() {
  absl::flat_hash_map<absl::string_view, std::size_t> running;
  for (const StreamPtr& stream : running_) ++running[stream->request.tenant];
  const auto rank = [&](const StreamPtr& stream) {
    const auto tenant = running.find(stream->request.tenant);
    return std::pair(tenant == running.end() ? 0 : tenant->second, stream->call.deadline());
  };
  return std::min_element(
      waiting_.begin(), waiting_.end(),
      [&](const StreamPtr& a, const StreamPtr& b) { return rank(a) < rank(b); });
}

void Schedule::Admit(const KvMemory& memory) {
  while (CanAdmit()) {
    const auto next = NextToAdmit();
    // One that runs alone gets everything. Others begin when all that they have to read fits beside
    // what the running ones hold; how long their answers get shows later.
    const std::size_t blocks = (*next)->tokens.size() / quant::kBlockPositions + 1;
    if (!running_.empty() && memory.Room() < blocks) return;
    const StreamPtr stream = *next;
    waiting_.erase(next);
    if (stream->outcome.preemptions == 0) stream->admitted = absl::Now();
    running_.push_back(stream);
  }
}

void Schedule::Preempt(const StreamPtr& stream) {
  stream->StartAgain();
  ++stream->outcome.preemptions;
  running_.erase(std::find(running_.begin(), running_.end(), stream));
  waiting_.push_front(stream);
}

void Schedule::Drop(absl::FunctionRef<bool(const StreamPtr&)> is_over) {
  const auto leaves_place = [&](const StreamPtr& stream) {
    if (!is_over(stream)) return false;
    if (stream->written > 0) pace_.LearnStream(absl::Now() - stream->admitted);
    return true;
  };
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), is_over), waiting_.end());
  running_.erase(std::remove_if(running_.begin(), running_.end(), leaves_place), running_.end());
}

bool Schedule::Runs(const StreamPtr& stream) const {
  return std::find(running_.begin(), running_.end(), stream) != running_.end();
}

}  // namespace ragmesh::generation
