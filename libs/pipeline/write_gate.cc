#include "libs/pipeline/write_gate.h"

#include "libs/base/status_macros.h"

namespace ragmesh::pipeline {
namespace {

// Between two looks at whether the caller has gone.
constexpr absl::Duration kLook = absl::Milliseconds(50);

}  // namespace

absl::StatusOr<WriteGate::Pass> WriteGate::Enter(const stages::CollectionId& collection,
                                                 const CallContext& call) {
  Key key(collection.tenant, collection.name);
  absl::MutexLock lock(&mutex_);
  const auto open = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto it = states_.find(key);
    return it == states_.end() || !it->second.held;
  };
  while (!mutex_.AwaitWithTimeout(absl::Condition(&open), kLook))
    RAGMESH_RETURN_IF_ERROR(call.Check());
  ++states_[key].writers;
  return Pass(this, std::move(key), /*holds=*/false);
}

absl::StatusOr<WriteGate::Pass> WriteGate::Hold(const stages::CollectionId& collection,
                                                const CallContext& call) {
  Key key(collection.tenant, collection.name);
  absl::MutexLock lock(&mutex_);
  const auto open = [&]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    const auto it = states_.find(key);
    return it == states_.end() || !it->second.held;
  };
  while (!mutex_.AwaitWithTimeout(absl::Condition(&open), kLook))
    RAGMESH_RETURN_IF_ERROR(call.Check());
  State& state = states_[key];
  state.held = true;
  const auto empty = [&state] { return state.writers == 0; };
  while (!mutex_.AwaitWithTimeout(absl::Condition(&empty), kLook)) {
    const absl::Status status = call.Check();
    if (status.ok()) continue;
    state.held = false;
    return status;
  }
  return Pass(this, std::move(key), /*holds=*/true);
}

void WriteGate::Leave(const Key& key, bool held) {
  absl::MutexLock lock(&mutex_);
  const auto it = states_.find(key);
  if (held) {
    it->second.held = false;
  } else {
    --it->second.writers;
  }
  if (it->second.writers == 0 && !it->second.held) states_.erase(it);
}

}  // namespace ragmesh::pipeline
