// One transaction on a connection of the pool.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_TRANSACTION_H_
#define RAGMESH_LIBS_POSTGRES_STORE_TRANSACTION_H_

#include <string>

#include "absl/status/statusor.h"
#include "libs/postgres_store/connection_pool.h"
#include "libs/postgres_store/statement.h"

namespace ragmesh::postgres_store {

// Not thread-safe. One that ends without Commit changes nothing. Statements end by themselves on
// the server when the call's time is over.
class Transaction {
 public:
  enum class Mode {
    kRead,   // all statements see the same moment, and change nothing
    kWrite,  // each statement sees what was committed before it
  };

  // The transaction has begun when this returns.
  static absl::StatusOr<Transaction> Begin(ConnectionPool* pool, Mode mode,
                                           const CallContext& call);
  Transaction(Transaction&&) = default;
  ~Transaction();

  absl::StatusOr<Result> Query(const Statement& statement) {
    return lease_->Query(statement.text(), statement.params(), call_);
  }
  absl::Status Run(const std::string& sql) { return lease_->Run(sql, call_); }
  absl::Status Copy(const std::string& sql, CopyRows rows) {
    return lease_->Copy(sql, rows.Finish(), call_);
  }
  // UNAVAILABLE / WRITE_OUTCOME_UNKNOWN when the server went away before it said what became of it.
  absl::Status Commit();

 private:
  Transaction(ConnectionPool::Lease lease, const CallContext& call)
      : lease_(std::move(lease)), call_(call) {}

  ConnectionPool::Lease lease_;
  CallContext call_;
};

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_TRANSACTION_H_
