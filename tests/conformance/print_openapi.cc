// Prints the OpenAPI document of the gateway to standard output.
#include <cstdio>

#include "libs/bridge/openapi.h"
#include "libs/bridge/route_table.h"
#include "libs/bridge/static_files.h"
#include "ragmesh/gateway/v1/gateway.pb.h"

int main() {
  const auto* service =
      ragmesh::gateway::v1::AskRequest::descriptor()->file()->FindServiceByName("GatewayService");
  const auto routes = ragmesh::bridge::RouteTable::Create({service});
  if (!routes.ok()) {
    std::fprintf(stderr, "%s\n", routes.status().ToString().c_str());
    return 1;
  }
  const auto document = ragmesh::bridge::MakeOpenApi(*routes, ragmesh::bridge::ApiDescriptorSet(),
                                                     {"ragmesh", "0.1.0"});
  if (!document.ok()) {
    std::fprintf(stderr, "%s\n", document.status().ToString().c_str());
    return 1;
  }
  std::fwrite(document->data(), 1, document->size(), stdout);
  return 0;
}
