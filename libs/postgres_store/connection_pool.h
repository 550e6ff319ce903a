// A bounded number of connections to one PostgreSQL server.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_CONNECTION_POOL_H_
#define RAGMESH_LIBS_POSTGRES_STORE_CONNECTION_POOL_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/postgres_store/connection.h"

namespace ragmesh::postgres_store {

// Thread-safe. Leases must end before the pool does. After a connection could not be made, callers
// are refused at once until a time has passed that doubles from attempt to attempt, from 100 ms to
// 5 s; then one of them tries again.
class ConnectionPool {
 public:
  // Runs on every new connection before anybody gets it.
  using Prepare = std::function<absl::Status(Connection& connection, const CallContext& call)>;

  ConnectionPool(ServerAddress address, std::string name, int size, Prepare prepare)
      : address_(std::move(address)),
        name_(std::move(name)),
        size_(size),
        prepare_(std::move(prepare)) {}

  class Lease {
   public:
    Lease(ConnectionPool* pool, std::unique_ptr<Connection> connection)
        : pool_(pool), connection_(std::move(connection)) {}
    ~Lease() {
      if (pool_ != nullptr) pool_->GiveBack(std::move(connection_));
    }
    Lease(Lease&& other) noexcept
        : pool_(std::exchange(other.pool_, nullptr)), connection_(std::move(other.connection_)) {}
    Lease& operator=(Lease&&) = delete;
    Connection& operator*() const { return *connection_; }
    Connection* operator->() const { return connection_.get(); }
    bool valid() const { return pool_ != nullptr; }  // false once it was moved from

   private:
    ConnectionPool* pool_;
    std::unique_ptr<Connection> connection_;
  };

  // Waits for a free one as long as `call` allows. UNAVAILABLE / STORE_UNAVAILABLE.
  absl::StatusOr<Lease> Take(const CallContext& call) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string& name() const { return name_; }

 private:
  void GiveBack(std::unique_ptr<Connection> connection) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::unique_ptr<Connection>> Open(const CallContext& call)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const ServerAddress address_;
  const std::string name_;
  const int size_;
  const Prepare prepare_;
  absl::Mutex mutex_;
  std::vector<std::unique_ptr<Connection>> idle_ ABSL_GUARDED_BY(mutex_);
  int leased_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Duration back_off_ ABSL_GUARDED_BY(mutex_) = absl::ZeroDuration();
  absl::Time next_attempt_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  absl::Status last_failure_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_CONNECTION_POOL_H_
