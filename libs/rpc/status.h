// absl::Status with its ErrorDetail <-> grpc::Status with google.rpc.Status in
// "grpc-status-details-bin".
//
//   detail              google.rpc
//   reason, metadata    ErrorInfo, domain "ragmesh"; without a detail the reason is the code's name
//   field               BadRequest with one violation
//   retry_after         RetryInfo
//   next_step           LocalizedMessage, locale "en"
//   request id          RequestInfo
#ifndef RAGMESH_LIBS_RPC_STATUS_H_
#define RAGMESH_LIBS_RPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::rpc {

// Texts are cut so that the trailers stay well below the 8 KiB that clients accept, and cleaned to
// valid UTF-8.
grpc::Status ToGrpcStatus(const absl::Status& status, absl::string_view request_id = "");

// Keeps the detail when the peer sent one of ours.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_STATUS_H_
