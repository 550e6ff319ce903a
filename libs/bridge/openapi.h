// OpenAPI 3.1 from the descriptors: every route, every message it reaches, with the protos'
// comments as descriptions.
#ifndef RAGMESH_LIBS_BRIDGE_OPENAPI_H_
#define RAGMESH_LIBS_BRIDGE_OPENAPI_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/bridge/route_table.h"

namespace ragmesh::bridge {

struct ApiTitle {
  std::string title;
  std::string version;
};

// `descriptor_set` is a serialised FileDescriptorSet with source info, for the comments; types it
// lacks go without. The endpoints that are not transcoded (OpenAI's, upload) are added. DATA_LOSS
// when the set does not parse.
absl::StatusOr<std::string> MakeOpenApi(const RouteTable& routes, absl::string_view descriptor_set,
                                        const ApiTitle& title);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_OPENAPI_H_
