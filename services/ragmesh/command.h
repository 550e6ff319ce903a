// One subcommand of `ragmesh`: declares its flags, then runs.
#ifndef RAGMESH_SERVICES_RAGMESH_COMMAND_H_
#define RAGMESH_SERVICES_RAGMESH_COMMAND_H_

#include <memory>
#include <string>
#include <vector>

#include "libs/flags/flag_set.h"

namespace ragmesh::cli {

class Command {
 public:
  virtual ~Command() = default;

  // Adds this command and its flags below `root`. Targets live as long as the command.
  virtual void Declare(flags::FlagSet& root) = 0;

  // What Parsed::command starts with when this command was chosen: "ask", "models".
  virtual std::string Name() const = 0;

  // Runs with the flags as parsed; `chosen` is Parsed::command ("models pull"). Returns the exit
  // status.
  virtual int Run(const std::string& chosen) = 0;
};

std::unique_ptr<Command> MakeAskCommand();
std::unique_ptr<Command> MakeChatCommand();
std::unique_ptr<Command> MakeCollectionsCommand();
std::unique_ptr<Command> MakeDoctorCommand();
std::unique_ptr<Command> MakeDocumentsCommand();
std::unique_ptr<Command> MakeIngestCommand();
std::unique_ptr<Command> MakeJobsCommand();
std::unique_ptr<Command> MakeModelsCommand();
std::unique_ptr<Command> MakeSearchCommand();
std::unique_ptr<Command> MakeServeCommand();
std::unique_ptr<Command> MakeStatusCommand();
std::unique_ptr<Command> MakeStoreCommand();

}  // namespace ragmesh::cli

#endif  // RAGMESH_SERVICES_RAGMESH_COMMAND_H_
