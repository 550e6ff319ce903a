#include "libs/wire/tools_wire.h"

namespace ragmesh::wire {

void ToProto(const stages::Tool& tool, ::ragmesh::common::v1::Tool* out) {
  out->set_name(tool.name);
  out->set_description(tool.description);
  out->set_parameters(tool.parameters);
  out->set_strict(tool.strict);
}

stages::Tool FromProto(const ::ragmesh::common::v1::Tool& tool) {
  return {tool.name(), tool.description(), tool.parameters(), tool.strict()};
}

void ToProto(const stages::ToolCallDelta& delta, ::ragmesh::common::v1::ToolCallDelta* out) {
  out->set_index(delta.index);
  out->set_id(delta.id);
  out->set_name(delta.name);
  out->set_arguments(delta.arguments);
}

stages::ToolCallDelta FromProto(const ::ragmesh::common::v1::ToolCallDelta& delta) {
  return {delta.index(), delta.id(), delta.name(), delta.arguments()};
}

void ToProto(const stages::ToolCall& call, ::ragmesh::common::v1::ToolCall* out) {
  out->set_id(call.id);
  out->set_name(call.name);
  out->set_arguments(call.arguments);
}

absl::StatusOr<stages::ToolCall> FromProto(const ::ragmesh::common::v1::ToolCall& call,
                                           const Field& field) {
  RAGMESH_RETURN_IF_ERROR(
      CheckBytes(call.id(), 0, stages::kMaxToolCallIdBytes, Field(field, "id")));
  if (!stages::IsToolName(call.name()))
    return Field(field, "name").Invalid("must be 1 to 64 letters, digits, '_', '-' or '.'");
  RAGMESH_RETURN_IF_ERROR(
      CheckBytes(call.arguments(), 0, stages::kMaxToolArgumentsBytes, Field(field, "arguments")));
  return stages::ToolCall{call.id(), call.name(), call.arguments()};
}

}  // namespace ragmesh::wire
