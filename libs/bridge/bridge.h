// Everything the gateway serves over HTTP: transcoded RPCs, /openapi.json, OpenAI's endpoints,
// uploads and the web page.
#ifndef RAGMESH_LIBS_BRIDGE_BRIDGE_H_
#define RAGMESH_LIBS_BRIDGE_BRIDGE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/bridge/gateway_api.h"
#include "libs/bridge/route_table.h"
#include "libs/bridge/static_files.h"
#include "libs/http/exchange.h"

namespace ragmesh::bridge {

struct BridgeOptions {
  // Full names of the services whose annotated methods are served. Their generated code must be
  // linked in.
  std::vector<std::string> services = {"ragmesh.gateway.v1.GatewayService"};
  // Channel, limits and time limits. The channel must allow messages of max_body_bytes both ways
  // (ChannelArguments::SetMaxReceiveMessageSize). A socket or an in-process channel.
  GatewayApi api;
  std::string title = "ragmesh";
  std::string version = "0.1.0";
  bool web_page = true;
};

// Thread-safe. Outlives every exchange it was given: destroy the HTTP server first, then the gRPC
// server, then this.
class Bridge {
 public:
  // INVALID_ARGUMENT for an unknown service or a broken annotation.
  static absl::StatusOr<std::unique_ptr<Bridge>> Create(BridgeOptions options);

  // An http::Handler. Never blocks.
  void Handle(std::shared_ptr<http::Exchange> exchange) const;

  const std::string& openapi_json() const { return openapi_json_; }

 private:
  Bridge(BridgeOptions options, RouteTable routes, std::string openapi_json);

  bool ServeFixed(const std::shared_ptr<http::Exchange>& exchange) const;
  bool ServeUploadPath(const std::shared_ptr<http::Exchange>& exchange) const;

  const BridgeOptions options_;
  const RouteTable routes_;
  const std::string openapi_json_;
  const StaticFiles page_;
  const PathTemplate upload_path_;
  const PathTemplate model_path_;
};

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_BRIDGE_H_
