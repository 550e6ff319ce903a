#include "libs/postgres_store/connection_pool.h"

#include <algorithm>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::postgres_store {
namespace {

constexpr absl::Duration kFirstBackOff = absl::Milliseconds(100);
constexpr absl::Duration kLongestBackOff = absl::Seconds(5);
// How often a caller who waits for a connection looks whether its call was cancelled.
constexpr absl::Duration kLook = absl::Milliseconds(50);
constexpr absl::Duration kConnectTime = absl::Seconds(10);  // the most one attempt may take

}  // namespace

absl::StatusOr<ConnectionPool::Lease> ConnectionPool::Take(const CallContext& call) {
  std::unique_ptr<Connection> connection;
  {
    const auto free = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return leased_ < size_; };
    absl::MutexLock lock(&mutex_);
    while (!mutex_.AwaitWithTimeout(absl::Condition(&free), std::min(kLook, call.Remaining()))) {
      if (absl::Status live = call.Check(); !live.ok())
        return Annotate(live,
                        absl::StrCat("waiting for one of ", size_, " connections to ", name_));
    }
    ++leased_;
    if (!idle_.empty()) {
      connection = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (connection != nullptr && !connection->StillThere()) connection.reset();
  if (connection == nullptr) {
    auto opened = Open(call);
    if (!opened.ok()) {
      absl::MutexLock lock(&mutex_);
      --leased_;
      return opened.status();
    }
    connection = *std::move(opened);
  }
  return Lease(this, std::move(connection));
}

void ConnectionPool::GiveBack(std::unique_ptr<Connection> connection) {
  const bool keep = connection != nullptr && connection->usable() && !connection->in_transaction();
  absl::MutexLock lock(&mutex_);
  --leased_;
  if (keep) idle_.push_back(std::move(connection));
}

absl::StatusOr<std::unique_ptr<Connection>> ConnectionPool::Open(const CallContext& call) {
  {
    absl::MutexLock lock(&mutex_);
    const absl::Duration left = next_attempt_ - absl::Now();
    if (left > absl::ZeroDuration()) {
      return Unavailable("STORE_UNAVAILABLE", last_failure_.message(),
                         "Check that the server runs; the call may be repeated.", left);
    }
    // Others are refused while this one tries, but for the first time.
    if (!last_failure_.ok()) next_attempt_ = absl::Now() + std::min(kConnectTime, call.Remaining());
    idle_.clear();  // as old as the one that was gone, or older
  }
  const CallContext attempt = call.Child(absl::Now() + kConnectTime);
  auto opened = Connection::Open(address_, name_, attempt);
  absl::Status status = opened.status();
  if (status.ok()) status = prepare_(**opened, attempt);
  absl::MutexLock lock(&mutex_);
  if (status.ok()) {
    back_off_ = absl::ZeroDuration();
    next_attempt_ = absl::InfinitePast();
    last_failure_ = absl::OkStatus();
    return opened;
  }
  if (!call.Check().ok()) {  // it was the call that ended, which says little of the server
    next_attempt_ = absl::InfinitePast();
    return status;
  }
  if (absl::IsDeadlineExceeded(status)) {
    status = Unavailable(
        "STORE_UNAVAILABLE",
        absl::StrCat(name_, " did not answer within ", absl::FormatDuration(kConnectTime)),
        "Check that the server runs; the call may be repeated.");
  }
  back_off_ = std::clamp(back_off_ * 2, kFirstBackOff, kLongestBackOff);
  absl::BitGen random;
  next_attempt_ = absl::Now() + back_off_ * absl::Uniform(random, 0.8, 1.2);
  last_failure_ = status;
  return status;
}

}  // namespace ragmesh::postgres_store
