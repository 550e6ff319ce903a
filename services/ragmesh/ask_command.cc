// ragmesh ask "QUESTION": one question, a streamed answer, its sources.
#include <cstdio>
#include <string>

#include "services/ragmesh/answer_printer.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

class AskCommand final : public Command {
 public:
  std::string Name() const override { return "ask"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags =
        root.Subcommand("ask", "Answers a question from the documents, with sources.",
                        "ragmesh ask \"How often is the seal replaced?\"");
    flags.Positional("question", &question_, /*required=*/true, "The question, in quotes.");
    flags.Group("Answer");
    flags.String("collection", &collection_, "Collection to ask.");
    flags.Choice("mode", &mode_, {"auto", "generated", "extractive"},
                 "auto: written by the model where the documents support it, else quoted. "
                 "generated: as the model writes it. extractive: quoted sentences only.");
    flags.Int("top_k", &top_k_, {0, 20}, "passages",
              "Passages handed to the answer; 0: the server's default.");
    flags.Int("max_tokens", &max_tokens_, {0, 4096}, "tokens",
              "Most tokens to write; 0: the server's default.");
    flags.Double("temperature", &temperature_, {0, 2}, "", "0: always the likeliest word.");
    flags.Bool("verbose", &verbose_, "Show where the time went.");
    connection_.Declare(flags);
  }

  int Run(const std::string&) override {
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    v1::AskRequest request;
    request.set_collection(collection_);
    request.set_question(question_);
    if (mode_ == "generated") request.set_mode(v1::ANSWER_MODE_GENERATED);
    if (mode_ == "extractive") request.set_mode(v1::ANSWER_MODE_EXTRACTIVE);
    request.set_top_k(static_cast<std::uint32_t>(top_k_));
    request.set_max_tokens(static_cast<std::uint32_t>(max_tokens_));
    request.set_temperature(temperature_);

    const auto context = (*gateway)->NewContext();
    const CancelOnInterrupt interrupt(context.get());
    AnswerPrinter printer(connection_.json, verbose_);
    const auto stream = (*gateway)->stub().Ask(context.get(), request);
    v1::AskResponse event;
    while (stream->Read(&event)) printer.Show(event);
    const absl::Status status = (*gateway)->ToStatus(stream->Finish());
    if (!status.ok()) {
      if (!printer.text().empty() && !connection_.json) std::printf("\n");
      return Fail(status, connection_.json);
    }
    return printer.Finish() ? kOk : kNothingFound;
  }

 private:
  std::string question_, collection_ = "default", mode_ = "auto";
  std::int64_t top_k_ = 0, max_tokens_ = 0;
  double temperature_ = 0;
  bool verbose_ = false;
  ConnectionOptions connection_;
};

}  // namespace

std::unique_ptr<Command> MakeAskCommand() { return std::make_unique<AskCommand>(); }

}  // namespace ragmesh::cli
