// ragmesh.common.v1's tools <-> libs/stages/tools.h, and what the generator's and the gateway's
// messages say of them in fields of the same names.
#ifndef RAGMESH_LIBS_WIRE_TOOLS_WIRE_H_
#define RAGMESH_LIBS_WIRE_TOOLS_WIRE_H_

#include <ragmesh/common/v1/tools.pb.h>

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/base/status_macros.h"
#include "libs/stages/generator.h"
#include "libs/wire/field.h"

namespace ragmesh::wire {

void ToProto(const stages::Tool& tool, ::ragmesh::common::v1::Tool* out);
stages::Tool FromProto(const ::ragmesh::common::v1::Tool& tool);
void ToProto(const stages::ToolCallDelta& delta, ::ragmesh::common::v1::ToolCallDelta* out);
stages::ToolCallDelta FromProto(const ::ragmesh::common::v1::ToolCallDelta& delta);
void ToProto(const stages::ToolCall& call, ::ragmesh::common::v1::ToolCall* out);
absl::StatusOr<stages::ToolCall> FromProto(const ::ragmesh::common::v1::ToolCall& call,
                                           const Field& field);

// Of ChatPrompt and gateway.v1.ChatRequest. `field` is the message's.
template <typename Message>
absl::StatusOr<std::vector<stages::Tool>> ToolsFromProto(const Message& in, const Field& field) {
  std::vector<stages::Tool> tools;
  for (const ::ragmesh::common::v1::Tool& tool : in.tools()) tools.push_back(FromProto(tool));
  const std::string path = field.ToString();
  RAGMESH_RETURN_IF_ERROR(stages::CheckTools(tools, path.empty() ? path : path + "."));
  return tools;
}

// Calls and the call's id, of a message of either ChatMessage.
template <typename Message>
void MessageToolsToProto(const stages::ChatMessage& message, Message* out) {
  for (const stages::ToolCall& call : message.tool_calls) ToProto(call, out->add_tool_calls());
  out->set_tool_call_id(message.tool_call_id);
}

template <typename Message>
absl::Status MessageToolsFromProto(const Message& in, const Field& field,
                                   stages::ChatMessage* message) {
  const Field calls(field, "tool_calls"), id(field, "tool_call_id");
  if (in.tool_calls_size() > 0 && message->role != stages::ChatRole::kAssistant)
    return calls.Invalid("is for messages of the assistant alone", "Leave it out.");
  RAGMESH_RETURN_IF_ERROR(CheckCount(static_cast<std::size_t>(in.tool_calls_size()), 0,
                                     stages::kMaxToolCalls, "calls", calls));
  for (int i = 0; i < in.tool_calls_size(); ++i) {
    RAGMESH_ASSIGN_OR_RETURN(stages::ToolCall call,
                             FromProto(in.tool_calls(i), Field(field, "tool_calls", i)));
    message->tool_calls.push_back(std::move(call));
  }
  if (!in.tool_call_id().empty() && message->role != stages::ChatRole::kTool)
    return id.Invalid("is for messages of tools alone", "Leave it out.");
  RAGMESH_RETURN_IF_ERROR(CheckBytes(in.tool_call_id(), 0, stages::kMaxToolCallIdBytes, id));
  message->tool_call_id = in.tool_call_id();
  return absl::OkStatus();
}

// Of GenerateRequest and gateway.v1.ChatRequest.
template <typename Message>
void ToolChoiceToProto(const stages::ToolChoice& choice, Message* out) {
  using Mode = stages::ToolChoice::Mode;
  out->set_single_tool_call(choice.single);
  if (!choice.name.empty()) return out->set_tool_name(choice.name);
  if (choice.mode == Mode::kNone) out->set_tool_mode(::ragmesh::common::v1::TOOL_MODE_NONE);
  if (choice.mode == Mode::kRequired) out->set_tool_mode(::ragmesh::common::v1::TOOL_MODE_REQUIRED);
}

template <typename Message>
absl::StatusOr<stages::ToolChoice> ToolChoiceFromProto(const Message& in, const Field& field) {
  using Mode = stages::ToolChoice::Mode;
  stages::ToolChoice choice{.single = in.single_tool_call()};
  if (in.has_tool_name()) {
    if (!stages::IsToolName(in.tool_name()))
      return Field(field, "tool_name").Invalid("must name one of the tools");
    choice.mode = Mode::kRequired;
    choice.name = in.tool_name();
    return choice;
  }
  switch (in.tool_mode()) {
    case ::ragmesh::common::v1::TOOL_MODE_UNSPECIFIED:
    case ::ragmesh::common::v1::TOOL_MODE_AUTO:
      return choice;
    case ::ragmesh::common::v1::TOOL_MODE_NONE:
      choice.mode = Mode::kNone;
      return choice;
    case ::ragmesh::common::v1::TOOL_MODE_REQUIRED:
      choice.mode = Mode::kRequired;
      return choice;
    default:
      return Field(field, "tool_mode").Invalid("must be one of auto, none, required");
  }
}

}  // namespace ragmesh::wire

#endif  // RAGMESH_LIBS_WIRE_TOOLS_WIRE_H_
