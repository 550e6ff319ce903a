#include "libs/generation/schedule.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"

namespace ragmesh::generation {

bool Schedule::Add(const StreamPtr& stream) {
  const bool begins = waiting_.empty() && running_.size() < max_running_;
  if (!begins && waiting_.size() >= max_waiting_) return false;
  waiting_.push_back(stream);
  return true;
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
    const std::size_t blocks = (*next)->tokens.size() / linalg::kBlockPositions + 1;
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
  waiting_.erase(std::remove_if(waiting_.begin(), waiting_.end(), is_over), waiting_.end());
  running_.erase(std::remove_if(running_.begin(), running_.end(), is_over), running_.end());
}

bool Schedule::Runs(const StreamPtr& stream) const {
  return std::find(running_.begin(), running_.end(), stream) != running_.end();
}

}  // namespace ragmesh::generation
