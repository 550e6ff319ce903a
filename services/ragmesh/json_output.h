// --json: every message of the server as one line of proto3 JSON.
#ifndef RAGMESH_SERVICES_RAGMESH_JSON_OUTPUT_H_
#define RAGMESH_SERVICES_RAGMESH_JSON_OUTPUT_H_

#include <google/protobuf/message.h>

namespace ragmesh::cli {

// One line on stdout, flushed, so that a pipe sees each event at once.
void PrintJson(const google::protobuf::Message& message);

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_JSON_OUTPUT_H_
