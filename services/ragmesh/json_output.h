// --json: every message of the server as one line of proto3 JSON, and other objects likewise.
#ifndef RAGMESH_SERVICES_RAGMESH_JSON_OUTPUT_H_
#define RAGMESH_SERVICES_RAGMESH_JSON_OUTPUT_H_

#include <google/protobuf/message.h>

#include <nlohmann/json_fwd.hpp>

namespace ragmesh::cli {

// One line on stdout, flushed, so that a pipe sees each event at once.
void PrintJson(const google::protobuf::Message& message);
// The same of what no server sent.
void PrintLine(const nlohmann::json& object);

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_JSON_OUTPUT_H_
