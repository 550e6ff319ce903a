// ragmesh: the command line, and with `serve` the whole mesh in one process.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/document/parser_child.h"
#include "libs/flags/flag_set.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"

int main(int argc, char** argv) {
  ragmesh::document::MaybeRunParserChild(argc, argv);
  using ragmesh::cli::Command;
  std::vector<std::unique_ptr<Command>> commands;
  commands.push_back(ragmesh::cli::MakeServeCommand());
  commands.push_back(ragmesh::cli::MakeIngestCommand());
  commands.push_back(ragmesh::cli::MakeAskCommand());
  commands.push_back(ragmesh::cli::MakeChatCommand());
  commands.push_back(ragmesh::cli::MakeSearchCommand());
  commands.push_back(ragmesh::cli::MakeCollectionsCommand());
  commands.push_back(ragmesh::cli::MakeDocumentsCommand());
  commands.push_back(ragmesh::cli::MakeJobsCommand());
  commands.push_back(ragmesh::cli::MakeModelsCommand());
  commands.push_back(ragmesh::cli::MakeStatusCommand());
  commands.push_back(ragmesh::cli::MakeStoreCommand());
  commands.push_back(ragmesh::cli::MakeDoctorCommand());

  ragmesh::flags::FlagSet flags(
      "ragmesh", "Answers questions over your own documents, on your own machines.",
      "ragmesh serve &  ragmesh ingest manuals/  ragmesh ask \"How often is the seal replaced?\"");
  for (const auto& command : commands) command->Declare(flags);
  const ragmesh::flags::Parsed parsed = flags.ParseOrExit(argc, argv);
  for (const auto& command : commands) {
    if (parsed.command == command->Name() ||
        absl::StartsWith(parsed.command, absl::StrCat(command->Name(), " "))) {
      return command->Run(parsed.command);
    }
  }
  return ragmesh::cli::kUsage;
}
