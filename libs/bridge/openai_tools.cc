#include "libs/bridge/openai_tools.h"

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/stages/tools.h"

namespace ragmesh::bridge {
namespace {

namespace v1 = ragmesh::gateway::v1;
namespace common = ragmesh::common::v1;
using json = nlohmann::ordered_json;

// The member `name`, or null when it is absent or null.
const json* Find(const json& object, const char* name) {
  const auto found = object.find(name);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// The member `name`, a string; empty when it is absent or null.
absl::StatusOr<std::string> Text(const json& object, const char* name, const std::string& path) {
  const json* value = Find(object, name);
  if (value == nullptr) return "";
  if (!value->is_string()) return InvalidField(absl::StrCat(path, ".", name), "must be a string");
  return value->get<std::string>();
}

absl::Status Unsupported(const std::string& field, const char* next_step) {
  return MakeError(absl::StatusCode::kInvalidArgument, absl::StrCat(field, " is not supported"),
                   {.reason = "UNSUPPORTED_PARAMETER", .field = field, .next_step = next_step});
}

// The member "function" of a tool, a call or a choice.
absl::StatusOr<const json*> Function(const json& object, const std::string& path) {
  if (!object.is_object()) return InvalidField(path, "must be an object");
  if (const json* type = Find(object, "type"); type == nullptr || *type != "function")
    return Unsupported(path + ".type", "Send tools of type function.");
  const json* function = Find(object, "function");
  if (function == nullptr || !function->is_object())
    return InvalidField(path + ".function", "must be an object");
  return function;
}

absl::Status ParseTool(const json& tool, const std::string& path, common::Tool* out) {
  RAGMESH_ASSIGN_OR_RETURN(const json* function, Function(tool, path));
  const std::string inner = path + ".function";
  RAGMESH_ASSIGN_OR_RETURN(*out->mutable_name(), Text(*function, "name", inner));
  if (!stages::IsToolName(out->name())) {
    return InvalidField(inner + ".name", "must be 1 to 64 letters, digits, '_', '-' or '.'",
                        "Give the function such a name.");
  }
  RAGMESH_ASSIGN_OR_RETURN(*out->mutable_description(), Text(*function, "description", inner));
  if (const json* parameters = Find(*function, "parameters"); parameters != nullptr) {
    if (!parameters->is_object())
      return InvalidField(inner + ".parameters", "must be a JSON Schema", "Send an object.");
    out->set_parameters(parameters->dump(-1, ' ', false, json::error_handler_t::replace));
  }
  if (const json* strict = Find(*function, "strict"); strict != nullptr) {
    if (!strict->is_boolean()) return InvalidField(inner + ".strict", "must be true or false");
    out->set_strict(strict->get<bool>());
  }
  return absl::OkStatus();
}

absl::Status ParseChoice(const json& choice, v1::ChatRequest* chat) {
  if (choice == "auto") {
    chat->set_tool_mode(common::TOOL_MODE_AUTO);
  } else if (choice == "none") {
    chat->set_tool_mode(common::TOOL_MODE_NONE);
  } else if (choice == "required") {
    chat->set_tool_mode(common::TOOL_MODE_REQUIRED);
  } else if (choice.is_object()) {
    RAGMESH_ASSIGN_OR_RETURN(const json* function, Function(choice, "tool_choice"));
    RAGMESH_ASSIGN_OR_RETURN(*chat->mutable_tool_name(),
                             Text(*function, "name", "tool_choice.function"));
  } else {
    return InvalidField("tool_choice", "must be auto, none, required or name a function");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ParseTools(const json& body, v1::ChatRequest* chat) {
  if (const json* tools = Find(body, "tools"); tools != nullptr) {
    if (!tools->is_array() || tools->size() > stages::kMaxTools) {
      return InvalidField("tools",
                          absl::StrCat("must be a list of at most ", stages::kMaxTools, " tools"),
                          "Leave out tools that this conversation does not need.");
    }
    for (std::size_t i = 0; i < tools->size(); ++i)
      RAGMESH_RETURN_IF_ERROR(
          ParseTool((*tools)[i], absl::StrCat("tools[", i, "]"), chat->add_tools()));
  }
  if (const json* choice = Find(body, "tool_choice"); choice != nullptr)
    RAGMESH_RETURN_IF_ERROR(ParseChoice(*choice, chat));
  if (const json* parallel = Find(body, "parallel_tool_calls"); parallel != nullptr) {
    if (!parallel->is_boolean())
      return InvalidField("parallel_tool_calls", "must be true or false");
    chat->set_single_tool_call(!parallel->get<bool>());
  }
  return absl::OkStatus();
}

absl::Status ParseMessageTools(const json& message, const std::string& path, v1::ChatMessage* out) {
  RAGMESH_ASSIGN_OR_RETURN(*out->mutable_tool_call_id(), Text(message, "tool_call_id", path));
  if (out->role() == v1::ROLE_TOOL && out->tool_call_id().empty())
    return InvalidField(path + ".tool_call_id", "is missing", "Send the id of the call.");
  const json* calls = Find(message, "tool_calls");
  if (calls == nullptr) return absl::OkStatus();
  const std::string list = path + ".tool_calls";
  if (!calls->is_array() || calls->size() > stages::kMaxToolCalls) {
    return InvalidField(list, absl::StrCat("must be a list of at most ", stages::kMaxToolCalls));
  }
  for (std::size_t i = 0; i < calls->size(); ++i) {
    const std::string at = absl::StrCat(list, "[", i, "]");
    RAGMESH_ASSIGN_OR_RETURN(const json* function, Function((*calls)[i], at));
    common::ToolCall* call = out->add_tool_calls();
    RAGMESH_ASSIGN_OR_RETURN(*call->mutable_id(), Text((*calls)[i], "id", at));
    RAGMESH_ASSIGN_OR_RETURN(*call->mutable_name(), Text(*function, "name", at + ".function"));
    RAGMESH_ASSIGN_OR_RETURN(*call->mutable_arguments(),
                             Text(*function, "arguments", at + ".function"));
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::bridge
