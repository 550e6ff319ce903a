#include "libs/bridge/route_table.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/api/annotations.pb.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::bridge {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::MethodDescriptor;

std::pair<std::string, std::string> MethodAndPath(const google::api::HttpRule& rule) {
  switch (rule.pattern_case()) {
    case google::api::HttpRule::kGet:
      return {"GET", rule.get()};
    case google::api::HttpRule::kPut:
      return {"PUT", rule.put()};
    case google::api::HttpRule::kPost:
      return {"POST", rule.post()};
    case google::api::HttpRule::kDelete:
      return {"DELETE", rule.delete_()};
    case google::api::HttpRule::kPatch:
      return {"PATCH", rule.patch()};
    case google::api::HttpRule::kCustom:
      return {rule.custom().kind(), rule.custom().path()};
    case google::api::HttpRule::PATTERN_NOT_SET:
      return {};
  }
  return {};
}

absl::Status Fault(const MethodDescriptor* rpc, absl::string_view problem) {
  return InvalidField(absl::StrCat("google.api.http of ", std::string(rpc->full_name())), problem);
}

absl::StatusOr<Route> MakeRoute(const google::api::HttpRule& rule, const MethodDescriptor* rpc) {
  auto [http_method, text] = MethodAndPath(rule);
  if (http_method.empty()) return Fault(rpc, "has no pattern");
  RAGMESH_ASSIGN_OR_RETURN(PathTemplate path, PathTemplate::Parse(text));
  for (const std::string& variable : path.variables()) {
    std::vector<const FieldDescriptor*> chain;
    const FieldDescriptor* field = FindFieldPath(rpc->input_type(), variable, &chain);
    if (field == nullptr)
      return Fault(rpc, absl::StrCat("names no field of the request: ", variable));
    if (field->is_repeated() || field->message_type() != nullptr) {
      return Fault(rpc,
                   absl::StrCat("has a path variable that is not a single scalar: ", variable));
    }
  }
  if (!rule.body().empty() && rule.body() != "*" &&
      rpc->input_type()->FindFieldByName(rule.body()) == nullptr) {
    return Fault(rpc, absl::StrCat("names no field of the request: ", rule.body()));
  }
  if (!rule.response_body().empty() &&
      rpc->output_type()->FindFieldByName(rule.response_body()) == nullptr) {
    return Fault(rpc, absl::StrCat("names no field of the response: ", rule.response_body()));
  }
  return Route{std::move(http_method), std::move(path), rpc, rule.body(), rule.response_body()};
}

}  // namespace

const FieldDescriptor* FindFieldPath(const Descriptor* message, absl::string_view path,
                                     std::vector<const FieldDescriptor*>* chain) {
  const FieldDescriptor* field = nullptr;
  for (absl::string_view view : absl::StrSplit(path, '.')) {
    const std::string name(view);
    if (message == nullptr || (field != nullptr && field->is_repeated())) return nullptr;
    field = message->FindFieldByName(name);
    for (int i = 0; field == nullptr && i < message->field_count(); ++i) {
      if (message->field(i)->json_name() == name) field = message->field(i);
    }
    if (field == nullptr) return nullptr;
    chain->push_back(field);
    message = field->message_type();
  }
  return field;
}

absl::StatusOr<RouteTable> RouteTable::Create(
    absl::Span<const google::protobuf::ServiceDescriptor* const> services) {
  RouteTable table;
  for (const auto* service : services) {
    for (int i = 0; i < service->method_count(); ++i) {
      const MethodDescriptor* rpc = service->method(i);
      if (!rpc->options().HasExtension(google::api::http)) continue;
      if (rpc->client_streaming()) return Fault(rpc, "is on a client-streaming method");
      const google::api::HttpRule& rule = rpc->options().GetExtension(google::api::http);
      RAGMESH_ASSIGN_OR_RETURN(Route route, MakeRoute(rule, rpc));
      table.routes_.push_back(std::move(route));
      for (const google::api::HttpRule& more : rule.additional_bindings()) {
        if (more.additional_bindings_size() > 0) return Fault(rpc, "nests additional_bindings");
        RAGMESH_ASSIGN_OR_RETURN(Route extra, MakeRoute(more, rpc));
        table.routes_.push_back(std::move(extra));
      }
    }
  }
  std::stable_sort(table.routes_.begin(), table.routes_.end(),
                   [](const Route& a, const Route& b) { return a.path < b.path; });
  return table;
}

RouteTable::Match RouteTable::Find(absl::string_view http_method, absl::string_view path) const {
  Match match;
  const absl::string_view wanted = http_method == "HEAD" ? "GET" : http_method;
  for (const Route& route : routes_) {
    auto bindings = route.path.Match(path);
    if (!bindings.has_value()) continue;
    if (route.http_method == wanted || route.http_method == "*") {
      match.route = &route;
      match.bindings = *std::move(bindings);
      match.other_methods.clear();
      return match;
    }
    match.other_methods.insert(route.http_method);
  }
  return match;
}

}  // namespace ragmesh::bridge
