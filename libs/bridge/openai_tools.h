// Tools in OpenAI's chat completions, in our words.
#ifndef RAGMESH_LIBS_BRIDGE_OPENAI_TOOLS_H_
#define RAGMESH_LIBS_BRIDGE_OPENAI_TOOLS_H_

#include <string>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "ragmesh/gateway/v1/gateway.pb.h"

namespace ragmesh::bridge {

// "tools", "tool_choice" and "parallel_tool_calls" of a body. INVALID_ARGUMENT with the parameter's
// name as field; UNSUPPORTED_PARAMETER for kinds of tools other than functions.
absl::Status ParseTools(const nlohmann::ordered_json& body,
                        ragmesh::gateway::v1::ChatRequest* chat);

// "tool_calls" and "tool_call_id" of a message; `path` names it in errors.
absl::Status ParseMessageTools(const nlohmann::ordered_json& message, const std::string& path,
                               ragmesh::gateway::v1::ChatMessage* out);

}  // namespace ragmesh::bridge

#endif  // RAGMESH_LIBS_BRIDGE_OPENAI_TOOLS_H_
