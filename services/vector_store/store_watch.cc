#include "services/vector_store/store_watch.h"

#include <pthread.h>

#include <utility>

#include "absl/synchronization/notification.h"
#include "libs/base/error.h"

namespace ragmesh::services {

absl::Status StoreReadiness(stages::VectorStore& store, const CallContext& call) {
  const auto info = store.Info(call);
  if (!info.ok()) return info.status();
  if (info->ready) return absl::OkStatus();
  return Unavailable("STORE_UNAVAILABLE", info->not_ready_reason,
                     "Check that the server runs, --store_url, and --store_password_file.");
}

StoreWatch::StoreWatch(std::shared_ptr<stages::VectorStore> store, absl::Duration interval,
                       absl::AnyInvocable<void(const absl::Status&)> report)
    : store_(std::move(store)),
      interval_(interval),
      report_(std::move(report)),
      thread_([this] { Run(); }) {}

StoreWatch::~StoreWatch() {
  call_.Cancel();
  thread_.join();
}

void StoreWatch::Run() {
  pthread_setname_np(pthread_self(), "store-watch");
  absl::Notification ended;
  const auto registration = call_.OnCancel([&ended] { ended.Notify(); });
  do {
    const absl::Status readiness = StoreReadiness(*store_, call_);
    if (call_.cancelled()) return;
    report_(readiness);
  } while (!ended.WaitForNotificationWithTimeout(interval_));
}

}  // namespace ragmesh::services
