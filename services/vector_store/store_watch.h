// Whether the database server behind a store answers, asked again and again.
#ifndef RAGMESH_SERVICES_VECTOR_STORE_STORE_WATCH_H_
#define RAGMESH_SERVICES_VECTOR_STORE_STORE_WATCH_H_

#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/call_context.h"
#include "libs/stages/vector_store.h"

namespace ragmesh::services {

// OK, or UNAVAILABLE / STORE_UNAVAILABLE with what the store says of its server.
absl::Status StoreReadiness(stages::VectorStore& store, const CallContext& call);

// Gives `report` the store's readiness at once, and then each `interval`, on a thread of its own,
// until it is destroyed.
class StoreWatch {
 public:
  StoreWatch(std::shared_ptr<stages::VectorStore> store, absl::Duration interval,
             absl::AnyInvocable<void(const absl::Status&)> report);
  ~StoreWatch();
  StoreWatch(const StoreWatch&) = delete;
  StoreWatch& operator=(const StoreWatch&) = delete;

 private:
  void Run();

  const std::shared_ptr<stages::VectorStore> store_;
  const absl::Duration interval_;
  absl::AnyInvocable<void(const absl::Status&)> report_;
  const CallContext call_{absl::InfiniteFuture()};
  std::thread thread_;  // last: it uses the others
};

}  // namespace ragmesh::services

#endif  // RAGMESH_SERVICES_VECTOR_STORE_STORE_WATCH_H_
