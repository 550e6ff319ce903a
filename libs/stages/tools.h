// Tools: functions of a client that a model may ask for.
#ifndef RAGMESH_LIBS_STAGES_TOOLS_H_
#define RAGMESH_LIBS_STAGES_TOOLS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ragmesh::stages {

inline constexpr std::size_t kMaxTools = 128;
inline constexpr std::size_t kMaxToolCalls = 128;  // of one message
inline constexpr std::size_t kMaxToolNameBytes = 64;
inline constexpr std::size_t kMaxToolDescriptionBytes = 64 << 10;
inline constexpr std::size_t kMaxToolParametersBytes = 256 << 10;
inline constexpr std::size_t kMaxToolsBytes = 1 << 20;  // descriptions and parameters of all
inline constexpr std::size_t kMaxToolArgumentsBytes = 1 << 20;
inline constexpr std::size_t kMaxToolCallIdBytes = 256;

struct Tool {
  std::string name;         // see IsToolName; differs from those of the other tools
  std::string description;  // for the model
  std::string parameters;   // JSON Schema of an object; empty: no arguments
  // Refuse parameters that a grammar cannot hold to; else such arguments are any JSON object.
  bool strict = false;

  bool operator==(const Tool&) const = default;
};

// One that a model has written, as it is told to the model again.
struct ToolCall {
  std::string id;  // which result is its own
  std::string name;
  std::string arguments;  // a JSON object; empty: none
};

// A piece of a call that is being written.
struct ToolCallDelta {
  std::uint32_t index = 0;  // among the calls of the text
  std::string id, name;     // in the first piece of a call
  std::string arguments;    // what follows of them

  bool operator==(const ToolCallDelta&) const = default;
};

// Whether tools are called.
struct ToolChoice {
  enum class Mode { kAuto, kNone, kRequired };  // kNone: the model sees them and calls none
  Mode mode = Mode::kAuto;
  std::string name;     // of the tool that must be called, with kRequired alone; empty: any
  bool single = false;  // at most one call

  bool operator==(const ToolChoice&) const = default;
};

// Letters, digits, '_', '-' and '.', 1 to 64 of them.
bool IsToolName(absl::string_view name);

// INVALID_ARGUMENT / INVALID_FIELD that names the field, with `prefix` before it ("chat."): tools
// over the bounds above, names that are none or not their own. What is a JSON Schema is not looked
// at.
absl::Status CheckTools(const std::vector<Tool>& tools, absl::string_view prefix);

// The same for a choice among `tools`; the field is "tool_choice".
absl::Status CheckToolChoice(const ToolChoice& choice, const std::vector<Tool>& tools);

}  // namespace ragmesh::stages

#endif  // RAGMESH_LIBS_STAGES_TOOLS_H_
