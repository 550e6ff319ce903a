#include "libs/stages/tools.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/error.h"

namespace ragmesh::stages {

bool IsToolName(absl::string_view name) {
  return !name.empty() && name.size() <= kMaxToolNameBytes &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '-' ||
                  c == '.';
         });
}

absl::Status CheckTools(const std::vector<Tool>& tools, absl::string_view prefix) {
  if (tools.size() > kMaxTools) {
    return InvalidField(
        absl::StrCat(prefix, "tools"),
        absl::StrCat("has ", tools.size(), " entries; must have at most ", kMaxTools),
        "Leave out tools that this conversation does not need.");
  }
  std::set<absl::string_view> names;
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < tools.size(); ++i) {
    const Tool& tool = tools[i];
    const std::string field = absl::StrCat(prefix, "tools[", i, "].");
    if (!IsToolName(tool.name)) {
      return InvalidField(field + "name", "must be 1 to 64 letters, digits, '_', '-' or '.'",
                          "Give the tool such a name.");
    }
    if (!names.insert(tool.name).second)
      return InvalidField(field + "name", "is the name of another tool, too", "Name each once.");
    if (tool.description.size() > kMaxToolDescriptionBytes) {
      return InvalidField(field + "description", "must have at most 64 KiB",
                          "Say in fewer words what the tool does.");
    }
    if (tool.parameters.size() > kMaxToolParametersBytes) {
      return InvalidField(field + "parameters", "must have at most 256 KiB",
                          "Send a smaller schema.");
    }
    bytes += tool.description.size() + tool.parameters.size();
  }
  if (bytes > kMaxToolsBytes) {
    return LimitExceeded(absl::StrCat(prefix, "tools"), static_cast<long long>(bytes),
                         static_cast<long long>(kMaxToolsBytes), "bytes",
                         "Leave out tools that this conversation does not need.");
  }
  return absl::OkStatus();
}

absl::Status CheckToolChoice(const ToolChoice& choice, const std::vector<Tool>& tools) {
  if (choice.mode != ToolChoice::Mode::kRequired) return absl::OkStatus();
  if (tools.empty()) {
    return InvalidField("tool_choice", "asks for a call, and there are no tools",
                        "Send tools, or leave tool_choice out.");
  }
  const auto named = [&](const Tool& tool) { return tool.name == choice.name; };
  if (choice.name.empty() || std::any_of(tools.begin(), tools.end(), named))
    return absl::OkStatus();
  return InvalidField("tool_choice", "names none of the tools", "Name one of them.");
}

}  // namespace ragmesh::stages
