// ragmesh status: the seven stages as the gateway sees them.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

class StatusCommand final : public Command {
 public:
  std::string Name() const override { return "status"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags =
        root.Subcommand("status", "The state of every stage; exit status 4 when one is not ready.",
                        "ragmesh status");
    connection_.Declare(flags);
  }

  int Run(const std::string&) override {
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    v1::GetStatusResponse response;
    const auto context = (*gateway)->NewContext();
    const absl::Status status =
        (*gateway)->ToStatus((*gateway)->stub().GetStatus(context.get(), {}, &response));
    if (!status.ok()) return Fail(status, connection_.json);
    bool all_ready = true;
    for (const v1::StageStatus& stage : response.stages()) {
      all_ready = all_ready && stage.reachable() && stage.info().ready();
    }
    if (connection_.json) {
      PrintJson(response);
    } else {
      for (const v1::StageStatus& stage : response.stages()) Print(stage);
    }
    return all_ready ? kOk : kUnreachable;
  }

 private:
  static void Print(const v1::StageStatus& stage) {
    const Terminal terminal = Terminal::Of(STDOUT_FILENO);
    const auto& info = stage.info();
    const bool ready = stage.reachable() && info.ready();
    const std::string word = !stage.reachable() ? "unreachable" : ready ? "ready" : "not ready";
    const std::string padded = absl::StrFormat("%-11s", word);
    std::string detail = info.model().name();
    if (!info.kernel().empty()) {
      absl::StrAppend(&detail, detail.empty() ? "" : ", ", info.kernel());
    }
    std::printf("%-13s %s %s%s%s\n", info.stage().c_str(),
                (ready ? terminal.Good(padded) : terminal.Bad(padded)).c_str(),
                stage.address().c_str(), detail.empty() ? "" : "  ", detail.c_str());
    const std::string reason = stage.reachable() ? info.not_ready_reason() : stage.error();
    if (!ready && !reason.empty()) {
      std::printf("%s\n", Wrap(Printable(reason), terminal.columns, 14).c_str());
    }
  }

  ConnectionOptions connection_;
};

}  // namespace

std::unique_ptr<Command> MakeStatusCommand() { return std::make_unique<StatusCommand>(); }

}  // namespace ragmesh::cli
