#include "libs/vector_store/give_way.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

namespace ragmesh::vector_store {

void GiveWay(int nice) {
  thread_local int current = 0;
  if (current == nice) return;
  current = nice;
  setpriority(PRIO_PROCESS, static_cast<id_t>(syscall(SYS_gettid)), nice);
}

LongWork::LongWork() {
  const sched_param none = {};
  begun_ = sched_getscheduler(0) == SCHED_OTHER && sched_setscheduler(0, SCHED_BATCH, &none) == 0;
}

LongWork::~LongWork() {
  const sched_param none = {};
  if (begun_) sched_setscheduler(0, SCHED_OTHER, &none);
}

bool YieldingExecutor::TrySubmit(absl::AnyInvocable<void() &&> work) {
  return executor_.TrySubmit([nice = nice_, work = std::move(work)]() mutable {
    GiveWay(nice);
    std::move(work)();
  });
}

}  // namespace ragmesh::vector_store
