// One connection to PostgreSQL whose every wait ends with the call it works for.
#ifndef RAGMESH_LIBS_POSTGRES_STORE_CONNECTION_H_
#define RAGMESH_LIBS_POSTGRES_STORE_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/call_context.h"
#include "libs/base/scoped_fd.h"
#include "libs/postgres_store/values.h"

struct pg_conn;
struct pg_result;

namespace ragmesh::postgres_store {

// Where the server is and who asks.
struct ServerAddress {
  std::string url;       // as libpq reads it: postgresql://user@host:5432/database?sslmode=require
  std::string password;  // beside the URL, so that it need not stand in a flag; may be empty
};

// "PostgreSQL at host:port", as errors name it. INVALID_ARGUMENT when the URL cannot be read; the
// error does not repeat it, for a password may be in it.
absl::StatusOr<std::string> ServerName(const ServerAddress& address);

// Rows of a statement, in binary. Views live as long as the result.
class Result {
 public:
  explicit Result(pg_result* result);
  int rows() const;
  bool IsNull(int row, int column) const;
  absl::string_view Bytes(int row, int column) const;  // bytea, text
  std::string String(int row, int column) const { return std::string(Bytes(row, column)); }
  std::int32_t Int4(int row, int column) const { return ReadInt4(Bytes(row, column)); }
  std::int64_t Int8(int row, int column) const { return ReadInt8(Bytes(row, column)); }
  std::uint64_t Uint(int row, int column) const {
    return static_cast<std::uint64_t>(Int8(row, column));
  }
  double Float8(int row, int column) const { return ReadFloat8(Bytes(row, column)); }
  bool Bool(int row, int column) const { return Bytes(row, column) == absl::string_view("\1", 1); }
  std::uint64_t affected() const;  // rows that a statement without rows has changed

 private:
  struct Free {
    void operator()(pg_result* result) const;
  };
  std::unique_ptr<pg_result, Free> result_;
};

// Not thread-safe. Errors of the server come back as ragmesh's: UNAVAILABLE / STORE_UNAVAILABLE
// naming the server when it is gone, DEADLINE_EXCEEDED or CANCELLED as `call` says, ABORTED /
// CONTENDED when two writes met, RESOURCE_EXHAUSTED / DISK_FULL, and INTERNAL / STORE_ERROR with
// the server's own code for what should not happen. After a wait that was cut short the connection
// is closed, and usable() is false: what the server still works on ends by its statement_timeout.
class Connection {
 public:
  static absl::StatusOr<std::unique_ptr<Connection>> Open(const ServerAddress& address,
                                                          const std::string& name,
                                                          const CallContext& call);
  ~Connection();

  // One statement with parameters.
  absl::StatusOr<Result> Query(const std::string& sql, const Params& params,
                               const CallContext& call);
  // Statements without parameters and without rows, separated by ';'.
  absl::Status Run(const std::string& sql, const CallContext& call);
  // `sql` is a COPY ... FROM STDIN (FORMAT binary).
  absl::Status Copy(const std::string& sql, const std::string& rows, const CallContext& call);

  bool usable() const;          // open, and no answer outstanding
  bool in_transaction() const;  // or in one that has failed
  // False when the server has closed it while nobody used it.
  bool StillThere();
  int server_version() const;  // 150004 is 15.4

 private:
  struct Finish {
    void operator()(pg_conn* connection) const;
  };

  explicit Connection(std::string name);
  absl::Status Connect(const ServerAddress& address, const CallContext& call);
  absl::Status Wait(bool for_write, const CallContext& call);
  absl::Status Flush(const CallContext& call);
  // The last of the results that are due, or the first error among them.
  absl::StatusOr<Result> Collect(const CallContext& call);
  absl::Status Broken(absl::string_view what);
  absl::Status ErrorOf(const pg_result* result);

  const std::string name_;
  std::unique_ptr<pg_conn, Finish> connection_;
  ScopedFd cancelled_;  // readable once a call has been cancelled
};

}  // namespace ragmesh::postgres_store

#endif  // RAGMESH_LIBS_POSTGRES_STORE_CONNECTION_H_
