#include "libs/generation/message_json.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/text/bounded_json.h"

namespace ragmesh::generation {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 48;  // below what a template's context may have

const char* RoleName(stages::ChatRole role) {
  switch (role) {
    case stages::ChatRole::kSystem:
      return "system";
    case stages::ChatRole::kUser:
      return "user";
    case stages::ChatRole::kAssistant:
      return "assistant";
    case stages::ChatRole::kTool:
      return "tool";
  }
  return "user";
}

absl::StatusOr<Json> ParseObject(const std::string& text, const std::string& field) {
  if (text.empty()) return Json::object();
  RAGMESH_ASSIGN_OR_RETURN(
      Json object,
      text::ParseOrderedJson(text, field, {stages::kMaxToolArgumentsBytes, kMaxDepth}));
  if (!object.is_object())
    return InvalidField(field, "must be a JSON object", "Send the arguments by their names.");
  return object;
}

absl::StatusOr<Json> CallJson(const stages::ToolCall& call, const std::string& field,
                              bool typed_arguments) {
  Json function = {{"name", call.name}};
  RAGMESH_ASSIGN_OR_RETURN(Json arguments, ParseObject(call.arguments, field + ".arguments"));
  function["arguments"] = typed_arguments
                              ? std::move(arguments)
                              : Json(call.arguments.empty() ? std::string("{}") : call.arguments);
  Json json = {{"id", call.id}, {"type", "function"}};
  json["function"] = std::move(function);
  return json;
}

// Of the latest call with this id; empty when there is none.
std::string CalledName(const stages::ChatMessages& messages, std::size_t before,
                       const std::string& id) {
  for (std::size_t i = before; i-- > 0;) {
    for (const stages::ToolCall& call : messages[i].tool_calls)
      if (call.id == id) return call.name;
  }
  return "";
}

}  // namespace

absl::StatusOr<Json> MessagesJson(const stages::ChatMessages& messages, bool typed_arguments) {
  Json list = Json::array();
  for (std::size_t i = 0; i < messages.size(); ++i) {
    const stages::ChatMessage& message = messages[i];
    Json json = {{"role", RoleName(message.role)}, {"content", message.content}};
    for (std::size_t c = 0; c < message.tool_calls.size(); ++c) {
      const std::string field = absl::StrCat("messages[", i, "].tool_calls[", c, "]");
      RAGMESH_ASSIGN_OR_RETURN(Json call, CallJson(message.tool_calls[c], field, typed_arguments));
      json["tool_calls"].push_back(std::move(call));
    }
    if (message.role == stages::ChatRole::kTool) {
      json["tool_call_id"] = message.tool_call_id;
      const std::string name = CalledName(messages, i, message.tool_call_id);
      if (!name.empty()) json["name"] = name;
    }
    list.push_back(std::move(json));
  }
  return list;
}

absl::StatusOr<Json> ToolsJson(const std::vector<stages::Tool>& tools) {
  Json list = Json::array();
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const stages::Tool& tool = tools[i];
    Json function = {{"name", tool.name}, {"description", tool.description}};
    const std::string field = absl::StrCat("tools[", i, "].parameters");
    // Templates look for properties, even where there are none.
    function["parameters"] = {{"type", "object"}, {"properties", Json::object()}};
    if (!tool.parameters.empty()) {
      RAGMESH_ASSIGN_OR_RETURN(
          function["parameters"],
          text::ParseOrderedJson(tool.parameters, field,
                                 {stages::kMaxToolParametersBytes, kMaxDepth}));
    }
    Json json = {{"type", "function"}};
    json["function"] = std::move(function);
    list.push_back(std::move(json));
  }
  return list;
}

}  // namespace ragmesh::generation
