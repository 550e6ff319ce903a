// The text of --help.
#ifndef RAGMESH_LIBS_FLAGS_FLAG_HELP_H_
#define RAGMESH_LIBS_FLAGS_FLAG_HELP_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace ragmesh::flags {

// What is told of one flag.
struct Flag {
  std::string name;
  std::string group;
  std::string form;  // "DURATION (1s to 10m)"; empty for a switch
  std::string help;
  std::string initial;                // the default
  std::function<std::string()> show;  // the value in force
};

struct Argument {
  std::string name;
  std::string help;
  bool required = false;
  bool list = false;
};

struct HelpPage {
  std::string program, about, example;
  std::vector<std::pair<std::string, std::string>> commands;  // name, first sentence
  std::vector<Argument> arguments;
  std::vector<Flag> flags;
};

// 100 columns wide.
std::string RenderHelp(const HelpPage& page);

// RAGMESH_MAX_QUEUED for max_queued.
std::string EnvironmentName(absl::string_view flag);

}  // namespace ragmesh::flags

#endif  // RAGMESH_LIBS_FLAGS_FLAG_HELP_H_
