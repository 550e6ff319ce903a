#include "libs/postgres_store/connection.h"

#include <libpq-fe.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::postgres_store {
namespace {

constexpr int kBinary = 1;
constexpr std::size_t kCopyStep = 1u << 20;  // bytes handed to libpq between two looks at the call
constexpr std::size_t kMaxMessageBytes = 300;

// What libpq or the server says, in one line, without the trailing line end.
// Without the question that libpq asks at the end; errors say what to do in their own words.
std::string OneLine(absl::string_view text) {
  std::string line(text.substr(0, text.find("Is the server running")));
  absl::RemoveExtraAsciiWhitespace(&line);
  return line.substr(0, kMaxMessageBytes);
}

}  // namespace

absl::StatusOr<std::string> ServerName(const ServerAddress& address) {
  char* problem = nullptr;
  PQconninfoOption* const options = PQconninfoParse(address.url.c_str(), &problem);
  PQfreemem(problem);
  if (options == nullptr) {
    return InvalidField("store_url", "is not a PostgreSQL connection URL",
                        "Write for example postgresql://ragmesh@db.example:5432/ragmesh.");
  }
  std::string host = "localhost", port = "5432";
  for (const PQconninfoOption* option = options; option->keyword != nullptr; ++option) {
    if (option->val == nullptr || *option->val == '\0') continue;
    if (absl::string_view(option->keyword) == "host") host = option->val;
    if (absl::string_view(option->keyword) == "port") port = option->val;
  }
  PQconninfoFree(options);
  return absl::StrCat("PostgreSQL at ", host, ":", port);
}

// ---- Result ----

void Result::Free::operator()(pg_result* result) const { PQclear(result); }
Result::Result(pg_result* result) : result_(result) {}
int Result::rows() const { return PQntuples(result_.get()); }
bool Result::IsNull(int row, int column) const {
  return PQgetisnull(result_.get(), row, column) != 0;
}
absl::string_view Result::Bytes(int row, int column) const {
  return {PQgetvalue(result_.get(), row, column),
          static_cast<std::size_t>(PQgetlength(result_.get(), row, column))};
}
std::uint64_t Result::affected() const {
  std::uint64_t rows = 0;
  for (const char* p = PQcmdTuples(result_.get()); *p >= '0' && *p <= '9'; ++p)
    rows = rows * 10 + static_cast<std::uint64_t>(*p - '0');
  return rows;
}

// ---- Connection ----

void Connection::Finish::operator()(pg_conn* connection) const { PQfinish(connection); }

Connection::Connection(std::string name)
    : name_(std::move(name)), cancelled_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
Connection::~Connection() = default;

absl::StatusOr<std::unique_ptr<Connection>> Connection::Open(const ServerAddress& address,
                                                             const std::string& name,
                                                             const CallContext& call) {
  std::unique_ptr<Connection> connection(new Connection(name));
  RAGMESH_RETURN_IF_ERROR(connection->Connect(address, call));
  return connection;
}

absl::Status Connection::Connect(const ServerAddress& address, const CallContext& call) {
  std::vector<const char*> keywords = {"dbname", "client_encoding", "application_name"};
  std::vector<const char*> values = {address.url.c_str(), "UTF8", "ragmesh-vector-store"};
  if (!address.password.empty()) {
    keywords.push_back("password");
    values.push_back(address.password.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  connection_.reset(PQconnectStartParams(keywords.data(), values.data(), /*expand_dbname=*/1));
  if (connection_ == nullptr || PQstatus(connection_.get()) == CONNECTION_BAD)
    return Broken("cannot be reached");
  while (true) {
    const PostgresPollingStatusType state = PQconnectPoll(connection_.get());
    if (state == PGRES_POLLING_OK) break;
    if (state == PGRES_POLLING_FAILED) return Broken("cannot be reached");
    RAGMESH_RETURN_IF_ERROR(Wait(state == PGRES_POLLING_WRITING, call));
  }
  PQsetnonblocking(connection_.get(), 1);
  // Notices would go to stderr.
  PQsetNoticeReceiver(
      connection_.get(), [](void*, const PGresult*) {}, nullptr);
  return absl::OkStatus();
}

absl::Status Connection::Broken(absl::string_view what) {
  const std::string said = connection_ == nullptr ? "" : OneLine(PQerrorMessage(connection_.get()));
  connection_.reset();
  if (absl::StrContains(said, "password authentication failed") ||
      absl::StrContains(said, "no password supplied") ||
      absl::StrContains(said, "no pg_hba.conf entry")) {
    return MakeError(absl::StatusCode::kFailedPrecondition,
                     absl::StrCat(name_, " refuses the login: ", said),
                     {.reason = "STORE_LOGIN_REFUSED",
                      .next_step = "Check the user in --store_url, --store_password_file, and the "
                                   "server's pg_hba.conf."});
  }
  return Unavailable("STORE_UNAVAILABLE",
                     absl::StrCat(name_, " ", what, said.empty() ? "" : ": ", said),
                     "Check that the server runs; the call may be repeated.");
}

// Waits until the socket can be read, or also written, or `call` ends, which closes the connection.
absl::Status Connection::Wait(bool for_write, const CallContext& call) {
  constexpr absl::Duration kLongest = absl::Minutes(10);
  const int fd = cancelled_.get();
  const CallContext::Registration registration = call.OnCancel([fd] {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd, &one, sizeof(one));
  });
  while (true) {
    if (absl::Status live = call.Check(); !live.ok()) {
      connection_.reset();
      return Annotate(live, absl::StrCat("waiting for ", name_));
    }
    pollfd wanted[] = {
        {PQsocket(connection_.get()), static_cast<short>(POLLIN | (for_write ? POLLOUT : 0)), 0},
        {fd, POLLIN, 0}};
    const absl::Duration left = std::min(call.Remaining(), kLongest);
    const int ready = ::poll(wanted, 2, static_cast<int>(absl::ToInt64Milliseconds(left) + 1));
    if (ready < 0 && errno != EINTR) return Broken("cannot be waited for");
    if (ready > 0 && wanted[0].revents != 0) return absl::OkStatus();
  }
}

absl::Status Connection::Flush(const CallContext& call) {
  while (true) {
    const int left = PQflush(connection_.get());
    if (left < 0) return Broken("has closed the connection");
    if (left == 0) return absl::OkStatus();
    RAGMESH_RETURN_IF_ERROR(Wait(/*for_write=*/true, call));
    if (PQconsumeInput(connection_.get()) == 0) return Broken("has closed the connection");
  }
}

absl::Status Connection::ErrorOf(const pg_result* result) {
  const char* const field = PQresultErrorField(result, PG_DIAG_SQLSTATE);
  const absl::string_view state = field == nullptr ? "" : field;
  const char* const primary = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  const std::string said = OneLine(primary == nullptr ? "" : primary);
  const std::string message = absl::StrCat(name_, ": ", said, " (", state, ")");
  if (state.empty() || PQstatus(connection_.get()) == CONNECTION_BAD ||
      absl::StartsWith(state, "08") || absl::StartsWith(state, "57P"))
    return Broken("has closed the connection");
  if (state == "57014") {
    return MakeError(
        absl::StatusCode::kDeadlineExceeded, message,
        {.reason = "DEADLINE_EXCEEDED", .next_step = "Ask for less, or with a later deadline."});
  }
  if (state == "40001" || state == "40P01" || state == "55P03") {
    return MakeError(
        absl::StatusCode::kAborted, message,
        {.reason = "CONTENDED", .next_step = "Try again.", .retry_after = absl::Milliseconds(100)});
  }
  if (state == "53100") {
    return MakeError(absl::StatusCode::kResourceExhausted, message,
                     {.reason = "DISK_FULL", .next_step = "Make room on the server's disk."});
  }
  if (absl::StartsWith(state, "53"))
    return Unavailable("STORE_UNAVAILABLE", message, "Raise the server's limits, or ask less.");
  if (state == "42501" || absl::StartsWith(state, "28") || state == "25006") {
    return WrongState("STORE_PERMISSION", message,
                      "Grant the user of --store_url the right to create and change the schema.");
  }
  return MakeError(absl::StatusCode::kInternal, message,
                   {.reason = "STORE_ERROR", .metadata = {{"sqlstate", std::string(state)}}});
}

absl::StatusOr<Result> Connection::Collect(const CallContext& call) {
  std::optional<Result> last;
  absl::Status failed;
  while (true) {
    while (PQisBusy(connection_.get()) != 0) {
      RAGMESH_RETURN_IF_ERROR(Wait(/*for_write=*/false, call));
      if (PQconsumeInput(connection_.get()) == 0) return Broken("has closed the connection");
    }
    pg_result* const result = PQgetResult(connection_.get());
    if (result == nullptr) break;
    last.emplace(result);
    const ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_IN) return *std::move(last);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK && failed.ok()) {
      failed = ErrorOf(result);
      if (connection_ == nullptr) return failed;
    }
  }
  if (!failed.ok()) return failed;
  if (!last.has_value()) return Broken("gave no answer");
  return *std::move(last);
}

absl::StatusOr<Result> Connection::Query(const std::string& sql, const Params& params,
                                         const CallContext& call) {
  if (connection_ == nullptr) return Broken("has closed the connection");
  std::vector<const char*> values;
  std::vector<int> lengths;
  std::vector<int> formats(params.size(), kBinary);
  for (const std::string& value : params.values()) {
    values.push_back(value.data());
    lengths.push_back(static_cast<int>(value.size()));
  }
  if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(params.size()),
                        params.types().data(), values.data(), lengths.data(), formats.data(),
                        kBinary) == 0)
    return Broken("cannot be asked");
  RAGMESH_RETURN_IF_ERROR(Flush(call));
  return Collect(call);
}

absl::Status Connection::Run(const std::string& sql, const CallContext& call) {
  if (connection_ == nullptr) return Broken("has closed the connection");
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) return Broken("cannot be asked");
  RAGMESH_RETURN_IF_ERROR(Flush(call));
  return Collect(call).status();
}

absl::Status Connection::Copy(const std::string& sql, const std::string& rows,
                              const CallContext& call) {
  RAGMESH_RETURN_IF_ERROR(Run(sql, call));
  for (std::size_t at = 0; at < rows.size();) {
    const std::size_t size = std::min(kCopyStep, rows.size() - at);
    const int put = PQputCopyData(connection_.get(), rows.data() + at, static_cast<int>(size));
    if (put < 0) return Broken("has closed the connection");
    if (put > 0) at += size;
    // Keeps what libpq holds back small, whatever the size of `rows`.
    RAGMESH_RETURN_IF_ERROR(Flush(call));
  }
  while (true) {
    const int ended = PQputCopyEnd(connection_.get(), nullptr);
    if (ended < 0) return Broken("has closed the connection");
    RAGMESH_RETURN_IF_ERROR(Flush(call));
    if (ended > 0) break;
  }
  return Collect(call).status();
}

bool Connection::usable() const {
  return connection_ != nullptr && PQstatus(connection_.get()) == CONNECTION_OK &&
         PQtransactionStatus(connection_.get()) != PQTRANS_ACTIVE;
}

bool Connection::in_transaction() const {
  return connection_ != nullptr && PQtransactionStatus(connection_.get()) != PQTRANS_IDLE;
}

bool Connection::StillThere() {
  if (!usable()) return false;
  pollfd socket = {PQsocket(connection_.get()), POLLIN, 0};
  if (::poll(&socket, 1, 0) == 0) return true;
  // What comes unasked is a notice, or the end.
  return PQconsumeInput(connection_.get()) != 0 && usable();
}

int Connection::server_version() const {
  return connection_ == nullptr ? 0 : PQserverVersion(connection_.get());
}

}  // namespace ragmesh::postgres_store
