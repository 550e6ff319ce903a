#include "libs/postgres_store/transaction.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::postgres_store {
namespace {

// To undo what a failed call has begun. A server that does not answer in that time loses the
// connection, which undoes it too.
constexpr absl::Duration kRollbackTime = absl::Seconds(1);

}  // namespace

absl::StatusOr<Transaction> Transaction::Begin(ConnectionPool* pool, Mode mode,
                                               const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(call.Check());
  RAGMESH_ASSIGN_OR_RETURN(ConnectionPool::Lease lease, pool->Take(call));
  Transaction transaction(std::move(lease), call);
  const std::int64_t time_ms =
      std::clamp<std::int64_t>(absl::ToInt64Milliseconds(call.Remaining()), 1, 2'000'000'000);
  RAGMESH_RETURN_IF_ERROR(transaction.Run(
      absl::StrCat(mode == Mode::kRead ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
                                       : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
                   "; SET LOCAL statement_timeout = ", time_ms)));
  return transaction;
}

Transaction::~Transaction() {
  if (!lease_.valid() || !lease_->usable() || !lease_->in_transaction()) return;
  const CallContext undo(absl::Now() + kRollbackTime);
  lease_->Run("ROLLBACK", undo).IgnoreError();
}

absl::Status Transaction::Commit() {
  const absl::Status committed = lease_->Run("COMMIT", call_);
  if (committed.ok() || lease_->usable()) return committed;
  return MakeError(absl::StatusCode::kUnavailable,
                   absl::StrCat("the write may or may not be committed: ", committed.message()),
                   {.reason = "WRITE_OUTCOME_UNKNOWN",
                    .next_step = "Write it again: the same document replaces itself.",
                    .retry_after = absl::Seconds(1)});
}

}  // namespace ragmesh::postgres_store
