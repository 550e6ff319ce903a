// ragmesh search "WORDS": passages with every score they got.
#include <unistd.h>

#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

std::string ScoreLine(const common::v1::Scores& scores) {
  std::vector<std::string> parts;
  if (scores.has_dense()) {
    parts.push_back(absl::StrFormat("dense %.3f (#%d)", scores.dense(), scores.dense_rank()));
  }
  if (scores.has_lexical()) {
    parts.push_back(absl::StrFormat("lexical %.2f (#%d)", scores.lexical(), scores.lexical_rank()));
  }
  if (scores.has_fused()) parts.push_back(absl::StrFormat("fused %.3f", scores.fused()));
  if (scores.has_model()) parts.push_back(absl::StrFormat("model %.3f", scores.model()));
  if (scores.has_reranked()) parts.push_back(absl::StrFormat("reranked %.3f", scores.reranked()));
  return absl::StrJoin(parts, "  ");
}

class SearchCommand final : public Command {
 public:
  std::string Name() const override { return "search"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags = root.Subcommand("search", "Finds passages and shows their scores.",
                                            "ragmesh search \"pump seal\" --top_k 5");
    flags.Positional("query", &query_, /*required=*/true, "Words or a question, in quotes.");
    flags.Group("Search");
    flags.String("collection", &collection_, "Collection to search.");
    flags.Int("top_k", &top_k_, {1, 100}, "passages", "Most passages to show.");
    flags.Choice("mode", &mode_, {"hybrid", "dense", "lexical"}, "Which lists to read.");
    flags.Bool("rerank", &rerank_, "Order the passages with the reranker.");
    connection_.Declare(flags);
  }

  int Run(const std::string&) override {
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    v1::SearchRequest request;
    request.set_collection(collection_);
    request.set_query(query_);
    request.set_top_k(static_cast<std::uint32_t>(top_k_));
    request.set_mode(mode_ == "dense"     ? common::v1::SEARCH_MODE_DENSE
                     : mode_ == "lexical" ? common::v1::SEARCH_MODE_LEXICAL
                                          : common::v1::SEARCH_MODE_HYBRID);
    request.set_skip_rerank(!rerank_);
    v1::SearchResponse response;
    const auto context = (*gateway)->NewContext();
    const absl::Status status =
        (*gateway)->ToStatus((*gateway)->stub().Search(context.get(), request, &response));
    if (!status.ok()) return Fail(status, connection_.json);
    if (connection_.json) {
      PrintJson(response);
    } else {
      Print(response);
    }
    return response.passages().empty() ? kNothingFound : kOk;
  }

 private:
  static void Print(const v1::SearchResponse& response) {
    const Terminal terminal = Terminal::Of(STDOUT_FILENO);
    for (const v1::Passage& passage : response.passages()) {
      const std::string place = absl::StrCat(
          passage.document_name(),
          passage.page() > 0 ? absl::StrCat(", page ", passage.page()) : "",
          passage.heading_path().empty() ? "" : ": ", absl::StrJoin(passage.heading_path(), " > "));
      std::printf("%s %s\n", terminal.Bold(absl::StrCat(passage.number(), ".")).c_str(),
                  terminal.Bold(Printable(place)).c_str());
      std::printf("   %s\n", terminal.Dim(ScoreLine(passage.scores())).c_str());
      std::printf("%s\n\n", Wrap(Printable(passage.text()), terminal.columns, 3).c_str());
    }
    if (response.passages().empty()) std::printf("Nothing found.\n");
    for (const v1::Degradation& degradation : response.degraded()) {
      std::printf("%s %s\n", terminal.Bad("note:").c_str(),
                  Printable(degradation.message()).c_str());
    }
  }

  std::string query_, collection_ = "default", mode_ = "hybrid";
  std::int64_t top_k_ = 5;
  bool rerank_ = true;
  ConnectionOptions connection_;
};

}  // namespace

std::unique_ptr<Command> MakeSearchCommand() { return std::make_unique<SearchCommand>(); }

}  // namespace ragmesh::cli
