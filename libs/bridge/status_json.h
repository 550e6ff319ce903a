// Errors on their way out: gRPC status -> google.rpc.Status in JSON with the right HTTP code.
#ifndef RAGMESH_LIBS_BRIDGE_STATUS_JSON_H_
#define RAGMESH_LIBS_BRIDGE_STATUS_JSON_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/rpc/status.pb.h"
#include "grpcpp/support/status.h"
#include "libs/http/message.h"

namespace ragmesh::bridge {

// With the details a server attached. A status that came without ErrorInfo gets one (reason: the
// code's name); RequestInfo with `request_id` is added.
google::rpc::Status ToRpcStatus(const grpc::Status& status, absl::string_view request_id);
google::rpc::Status ToRpcStatus(const absl::Status& status, absl::string_view request_id);

// The HTTP code of google.rpc.Code's own table; LIMIT_EXCEEDED on a body is 413,
// UNSUPPORTED_MEDIA_TYPE 415, SLOW_REQUEST 408.
int HttpStatus(const google::rpc::Status& status);

// One line of JSON. Details of types this binary does not know are left out.
std::string StatusJson(const google::rpc::Status& status);

// Reason of the first ErrorInfo, empty when there is none.
std::string Reason(const google::rpc::Status& status);
// Field of the first BadRequest violation, empty when there is none.
std::string Field(const google::rpc::Status& status);

// With Retry-After when the status has RetryInfo.
http::Response ErrorAnswer(const google::rpc::Status& status);
// The Retry-After header alone, when there is one.
http::Headers RetryHeaders(const google::rpc::Status& status);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_STATUS_JSON_H_
