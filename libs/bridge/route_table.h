// Which RPC an HTTP request means, from the google.api.http annotations of the services exposed.
#ifndef RAGMESH_LIBS_BRIDGE_ROUTE_TABLE_H_
#define RAGMESH_LIBS_BRIDGE_ROUTE_TABLE_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "google/protobuf/descriptor.h"
#include "libs/bridge/path_template.h"

namespace ragmesh::bridge {

struct Route {
  std::string http_method;  // "GET", or the custom kind; "*" matches every method
  PathTemplate path;
  const google::protobuf::MethodDescriptor* rpc = nullptr;
  std::string body;           // "*", a field of the request, or empty: the request has no body
  std::string response_body;  // a field of the response, or empty: the whole message
};

// Immutable, thread-safe.
class RouteTable {
 public:
  // One route for each binding of each method. INVALID_ARGUMENT for a template that is malformed or
  // names a field that the request does not have. Client-streaming methods cannot be transcoded and
  // must not be annotated.
  static absl::StatusOr<RouteTable> Create(
      absl::Span<const google::protobuf::ServiceDescriptor* const> services);

  struct Match {
    const Route* route = nullptr;  // null: nothing has this path and method
    std::vector<PathBinding> bindings;
    std::set<std::string> other_methods;  // methods that the path does have, when route is null
  };
  // The most specific match. HEAD finds the routes of GET.
  Match Find(absl::string_view http_method, absl::string_view path) const;

  const std::vector<Route>& routes() const { return routes_; }

 private:
  std::vector<Route> routes_;  // most specific first
};

// The field `path` ("a.b.c", proto or JSON names) leads to, or null. `chain` gets every field on
// the way.
const google::protobuf::FieldDescriptor* FindFieldPath(
    const google::protobuf::Descriptor* message, absl::string_view path,
    std::vector<const google::protobuf::FieldDescriptor*>* chain);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_ROUTE_TABLE_H_
