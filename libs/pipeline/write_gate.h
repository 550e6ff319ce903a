// Lets the gateway's own writes to a collection wait for a moment, in which it is switched to
// another model: without it, a collection that is written to all the time would never be found
// still.
#ifndef RAGMESH_LIBS_PIPELINE_WRITE_GATE_H_
#define RAGMESH_LIBS_PIPELINE_WRITE_GATE_H_

#include <map>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/call_context.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::pipeline {

// Thread-safe. Collections are told apart by the names that callers use.
class WriteGate {
  struct State {
    int writers = 0;
    bool held = false;
  };
  using Key = std::pair<std::string, std::string>;

 public:
  // Held by a writer, or by the one that keeps writers out; lets go when it dies.
  class [[nodiscard]] Pass {
   public:
    Pass(Pass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)), key_(other.key_), holds_(other.holds_) {}
    Pass& operator=(Pass&&) = delete;
    ~Pass() {
      if (gate_ != nullptr) gate_->Leave(key_, holds_);
    }

   private:
    friend class WriteGate;
    Pass(WriteGate* gate, Key key, bool holds) : gate_(gate), key_(std::move(key)), holds_(holds) {}
    WriteGate* gate_;
    Key key_;
    bool holds_;
  };

  // Waits while writers are kept out; the error of `call` when that ends first.
  absl::StatusOr<Pass> Enter(const stages::CollectionId& collection, const CallContext& call);
  // Keeps new writers out, and waits until those that are in have left. The error of `call` when it
  // ends first, and nobody is kept out.
  absl::StatusOr<Pass> Hold(const stages::CollectionId& collection, const CallContext& call);

 private:
  void Leave(const Key& key, bool held);

  absl::Mutex mutex_;
  std::map<Key, State> states_ ABSL_GUARDED_BY(mutex_);  // of collections with somebody in or out
};

}  // namespace ragmesh::pipeline

#endif  // RAGMESH_LIBS_PIPELINE_WRITE_GATE_H_
