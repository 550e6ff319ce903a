// What a caller hears whose request message cannot be decoded.
#ifndef RAGMESH_LIBS_RPC_UNDECODABLE_H_
#define RAGMESH_LIBS_RPC_UNDECODABLE_H_

#include <grpcpp/server_builder.h>

namespace ragmesh::rpc {

// gRPC answers such a call itself, with UNIMPLEMENTED and no message, before any code of ours runs.
// This makes it INVALID_ARGUMENT / INVALID_FIELD "message". Holds for methods with one request; in
// a stream of requests gRPC reports an undecodable message as the end of the stream.
void ExplainUndecodableRequests(grpc::ServerBuilder& builder);

}  // namespace ragmesh::rpc

#endif  // RAGMESH_LIBS_RPC_UNDECODABLE_H_
