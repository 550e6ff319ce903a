// HTTP request -> request message, and response message -> JSON, as google.api.http and proto3 JSON
// say.
#ifndef RAGMESH_LIBS_BRIDGE_TRANSCODE_H_
#define RAGMESH_LIBS_BRIDGE_TRANSCODE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "libs/bridge/route_table.h"

namespace ragmesh::bridge {

// The request of `route`: body first, then path variables, then query parameters. An empty body
// stands for {}. Unknown fields, wrong types and query parameters that name nothing are
// INVALID_ARGUMENT with the field's name.
absl::StatusOr<std::unique_ptr<google::protobuf::Message>> BuildRequest(
    const Route& route, const std::vector<PathBinding>& bindings, absl::string_view query,
    absl::string_view body);

// proto3 JSON on one line: lowerCamelCase, 64-bit integers as strings, fields at their default
// printed.
absl::StatusOr<std::string> ToJson(const google::protobuf::Message& message);

// ToJson, or that of the response_body field alone.
absl::StatusOr<std::string> RenderResponse(const Route& route,
                                           const google::protobuf::Message& response);

// proto3 JSON -> `message`, after CheckJson.
absl::Status FromJson(absl::string_view json, google::protobuf::Message* message);

// Sets, or adds to, the field at `path` from text as it stands in a path or a query.
absl::Status SetFieldFromText(absl::string_view path, absl::string_view text,
                              google::protobuf::Message* message);

// A new message of a linked-in type.
std::unique_ptr<google::protobuf::Message> NewMessage(const google::protobuf::Descriptor* type);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_TRANSCODE_H_
