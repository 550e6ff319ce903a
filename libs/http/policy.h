// Who may talk to the server from where: Host, Origin and CORS; and the headers every response
// carries.
#ifndef RAGMESH_LIBS_HTTP_POLICY_H_
#define RAGMESH_LIBS_HTTP_POLICY_H_

#include <optional>

#include "libs/http/message.h"
#include "libs/http/server.h"

namespace ragmesh::http {

// A typed error as a google.rpc.Status in JSON, for refusals made before any handler runs.
Response ErrorResponse(int http_status, int grpc_code, absl::string_view reason,
                       absl::string_view message, absl::string_view next_step,
                       absl::string_view request_id);

// The answer when the request must not reach the handler: a refusal, or the reply to a CORS
// preflight.
std::optional<Response> CheckPolicy(const ServerOptions& options, const RequestHead& head);

// Security headers, and the CORS headers `head` is entitled to. What `headers` already sets stays.
void AddStandardHeaders(const ServerOptions& options, const RequestHead& head, Headers& headers);

}  // namespace ragmesh::http

#endif  // RAGMESH_LIBS_HTTP_POLICY_H_
