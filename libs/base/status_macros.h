// RAGMESH_RETURN_IF_ERROR(expr): returns the status when it is not OK.
// RAGMESH_ASSIGN_OR_RETURN(lhs, expr): unwraps a StatusOr into `lhs`, or returns its status.
#ifndef RAGMESH_LIBS_BASE_STATUS_MACROS_H_
#define RAGMESH_LIBS_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define RAGMESH_CONCAT_INNER_(a, b) a##b
#define RAGMESH_CONCAT_(a, b) RAGMESH_CONCAT_INNER_(a, b)

#define RAGMESH_RETURN_IF_ERROR(expr)                  \
  do {                                                 \
    ::absl::Status ragmesh_status_ = (expr);           \
    if (!ragmesh_status_.ok()) return ragmesh_status_; \
  } while (false)

#define RAGMESH_ASSIGN_OR_RETURN(lhs, expr) \
  RAGMESH_ASSIGN_OR_RETURN_(RAGMESH_CONCAT_(ragmesh_or_, __LINE__), lhs, expr)

#define RAGMESH_ASSIGN_OR_RETURN_(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return std::move(tmp).status();  \
  lhs = *std::move(tmp)

#endif  // RAGMESH_LIBS_BASE_STATUS_MACROS_H_
