// Runs a command of `ragmesh` as its main does, and keeps what it prints.
#ifndef RAGMESH_TESTS_INTEGRATION_SEARCH_COMMAND_LINE_H_
#define RAGMESH_TESTS_INTEGRATION_SEARCH_COMMAND_LINE_H_

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "libs/flags/flag_set.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"

namespace ragmesh::cli {

struct Printed {
  int exit = 0;
  std::string out;
  std::string err;
};

// `words` as they stand behind "ragmesh".
inline Printed RunCommandLine(std::unique_ptr<Command> command, std::vector<std::string> words) {
  flags::FlagSet root("ragmesh", "Test.");
  command->Declare(root);
  words.insert(words.begin(), "ragmesh");
  std::vector<const char*> argv;
  for (const std::string& word : words) argv.push_back(word.c_str());
  const auto parsed = root.Parse(static_cast<int>(argv.size()), argv.data());
  if (!parsed.ok()) return {kUsage, "", std::string(parsed.status().message())};
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  Printed printed;
  printed.exit = command->Run(parsed->command);
  printed.out = ::testing::internal::GetCapturedStdout();
  printed.err = ::testing::internal::GetCapturedStderr();
  return printed;
}

}  // namespace ragmesh::cli

#endif  // RAGMESH_TESTS_INTEGRATION_SEARCH_COMMAND_LINE_H_
