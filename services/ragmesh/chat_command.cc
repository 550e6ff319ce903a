// ragmesh chat: questions and answers in turns; earlier turns help to read the next question.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <string>

#include "services/ragmesh/answer_printer.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

constexpr int kMaxTurns = 64;  // of AskRequest.history

class ChatCommand final : public Command {
 public:
  std::string Name() const override { return "chat"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags = root.Subcommand(
        "chat", "A conversation over the documents; one question a line.", "ragmesh chat");
    flags.Group("Answer");
    flags.String("collection", &collection_, "Collection to ask.");
    connection_.Declare(flags);
  }

  int Run(const std::string&) override {
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    const bool prompt = isatty(STDIN_FILENO) && !connection_.json;
    if (prompt) std::printf("Ask about the documents. An empty line or Ctrl-D ends.\n");
    v1::AskRequest request;
    request.set_collection(collection_);
    std::string line;
    while (true) {
      if (prompt) {
        std::printf("\n> ");
        std::fflush(stdout);
      }
      if (!std::getline(std::cin, line) || line.empty()) return kOk;
      request.set_question(line);
      std::string answer;
      const absl::Status status = AskOnce(**gateway, request, &answer);
      if (!status.ok()) {
        const ExitStatus exit = Fail(status, connection_.json);
        if (exit == kUnreachable) return exit;
        continue;
      }
      if (request.history_size() == kMaxTurns) request.mutable_history()->DeleteSubrange(0, 1);
      v1::Turn* turn = request.add_history();
      turn->set_question(line);
      turn->set_answer(answer);
    }
  }

 private:
  absl::Status AskOnce(GatewayConnection& gateway, const v1::AskRequest& request,
                       std::string* answer) const {
    const auto context = gateway.NewContext();
    const CancelOnInterrupt interrupt(context.get());
    AnswerPrinter printer(connection_.json, /*verbose=*/false);
    const auto stream = gateway.stub().Ask(context.get(), request);
    v1::AskResponse event;
    while (stream->Read(&event)) printer.Show(event);
    const absl::Status status = gateway.ToStatus(stream->Finish());
    if (status.ok()) printer.Finish();
    *answer = printer.text();
    return status;
  }

  std::string collection_ = "default";
  ConnectionOptions connection_;
};

}  // namespace

std::unique_ptr<Command> MakeChatCommand() { return std::make_unique<ChatCommand>(); }

}  // namespace ragmesh::cli
