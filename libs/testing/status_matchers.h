// gmock matchers for absl::Status and absl::StatusOr, which this abseil does not ship.
//
//   EXPECT_THAT(Parse(""), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("empty")));
//   EXPECT_THAT(Count(), IsOkAndHolds(3));
//   EXPECT_THAT(store.Put(x), HasReason("DIMENSION_MISMATCH"));
#ifndef RAGMESH_LIBS_TESTING_STATUS_MATCHERS_H_
#define RAGMESH_LIBS_TESTING_STATUS_MATCHERS_H_

#include <gmock/gmock.h>

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/error.h"

namespace absl {
inline void PrintTo(const Status& status, std::ostream* os) { *os << status.ToString(); }
template <typename T>
void PrintTo(const StatusOr<T>& value, std::ostream* os) {
  *os << (value.ok() ? std::string("OK, value ") + ::testing::PrintToString(*value)
                     : value.status().ToString());
}
}  // namespace absl

namespace ragmesh::testing {

inline const absl::Status& GetStatus(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& GetStatus(const absl::StatusOr<T>& value) {
  return value.status();
}

MATCHER(IsOk, "is OK") { return GetStatus(arg).ok(); }

MATCHER_P(StatusIs, code, "") { return GetStatus(arg).code() == code; }

MATCHER_P2(StatusIs, code, message_matcher, "") {
  const absl::Status& status = GetStatus(arg);
  return status.code() == code &&
         ::testing::ExplainMatchResult(message_matcher, std::string(status.message()),
                                       result_listener);
}

MATCHER_P(IsOkAndHolds, value_matcher, "") {
  return arg.ok() && ::testing::ExplainMatchResult(value_matcher, *arg, result_listener);
}

// The ErrorDetail's reason.
MATCHER_P(HasReason, reason, "") {
  const auto detail = GetErrorDetail(GetStatus(arg));
  return detail.has_value() &&
         ::testing::ExplainMatchResult(::testing::Eq(reason), detail->reason, result_listener);
}

}  // namespace ragmesh::testing

#define RAGMESH_ASSERT_OK(expr) ASSERT_THAT(expr, ::ragmesh::testing::IsOk())
#define RAGMESH_EXPECT_OK(expr) EXPECT_THAT(expr, ::ragmesh::testing::IsOk())

// RAGMESH_ASSERT_OK_AND_ASSIGN(auto x, MakeX()): unwraps, or fails the test with the status.
#define RAGMESH_ASSERT_OK_AND_ASSIGN(lhs, expr) \
  RAGMESH_ASSERT_OK_AND_ASSIGN_(RAGMESH_TEST_CONCAT_(ragmesh_test_or_, __LINE__), lhs, expr)
#define RAGMESH_ASSERT_OK_AND_ASSIGN_(tmp, lhs, expr) \
  auto tmp = (expr);                                  \
  ASSERT_TRUE(tmp.ok()) << tmp.status().ToString();   \
  lhs = *std::move(tmp)
#define RAGMESH_TEST_CONCAT_INNER_(a, b) a##b
#define RAGMESH_TEST_CONCAT_(a, b) RAGMESH_TEST_CONCAT_INNER_(a, b)

#endif  // RAGMESH_LIBS_TESTING_STATUS_MATCHERS_H_
