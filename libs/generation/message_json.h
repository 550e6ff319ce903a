// Conversations and tools as chat templates read them.
#ifndef RAGMESH_LIBS_GENERATION_MESSAGE_JSON_H_
#define RAGMESH_LIBS_GENERATION_MESSAGE_JSON_H_

#include <nlohmann/json.hpp>

#include "absl/status/statusor.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// [{"role": .., "content": ..}, ..], with "tool_calls" of those that have any, and "tool_call_id"
// and the tool's "name" of results. `typed_arguments` as in ToolFormat. INVALID_ARGUMENT that names
// the field for arguments that are no JSON object.
absl::StatusOr<nlohmann::ordered_json> MessagesJson(const stages::ChatMessages& messages,
                                                    bool typed_arguments);

// [{"type": "function", "function": {..}}, ..], with parameters as they were spelled: in their
// order. INVALID_ARGUMENT that names the field for parameters that are no JSON.
absl::StatusOr<nlohmann::ordered_json> ToolsJson(const std::vector<stages::Tool>& tools);

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_MESSAGE_JSON_H_
