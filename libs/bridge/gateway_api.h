// What the hand-written endpoints (OpenAI's, uploads) share: the gateway's channel and the limits.
#ifndef RAGMESH_LIBS_BRIDGE_GATEWAY_API_H_
#define RAGMESH_LIBS_BRIDGE_GATEWAY_API_H_

#include <memory>
#include <string>

#include "grpcpp/channel.h"
#include "libs/bridge/generic_call.h"

namespace ragmesh::bridge {

struct GatewayApi {
  std::shared_ptr<grpc::Channel> channel;
  std::size_t max_body_bytes = 64 << 20;       // JSON bodies
  std::size_t max_document_bytes = 256 << 20;  // uploads
  std::string default_collection = "default";  // of the model "ragmesh"
  TimeoutPolicy timeouts;
};

// "/ragmesh.gateway.v1.GatewayService/`method`".
inline std::string GatewayMethod(const std::string& method) {
  return "/ragmesh.gateway.v1.GatewayService/" + method;
}

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_GATEWAY_API_H_
