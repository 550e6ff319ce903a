// ragmesh search "WORDS": passages with every score they got.
#include <google/protobuf/util/json_util.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/passage_printer.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

class SearchCommand final : public Command {
 public:
  std::string Name() const override { return "search"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags = root.Subcommand("search", "Finds passages and shows their scores.",
                                            "ragmesh search \"pump seal\" --top_k 5 --explain");
    flags.Positional("query", &query_, /*required=*/true, "Words or a question, in quotes.");
    flags.Group("Search");
    flags.String("collection", &collection_, "Collection to search.");
    flags.Int("top_k", &top_k_, {1, 100}, "passages",
              "Most passages to show; with --max_per_document, most documents.");
    flags.Choice("mode", &mode_, {"hybrid", "dense", "lexical"},
                 "Which lists to read: words, meaning (dense), or both.");
    flags.Bool("operators", &operators_,
               "Read the query as words with signs: \"a phrase\" and +word must be in a passage, "
               "-word must not, and begin* stands for every word that begins so.");
    flags.Bool("rerank", &rerank_, "Order the passages with the reranker.");
    flags.String(
        "filter", &filter_,
        "Only documents that match, as JSON: '{\"equals\": {\"field\": \"site\", \"value\": "
        "\"leeds\"}}', or in, range, prefix, and, or, not.");
    flags.Group("Which passages");
    flags.Double("diversity", &diversity_, {0, 1}, "",
                 "How much passages should differ from each other: 0 takes the best however alike, "
                 "0.5 is a good start, 1 looks at nothing else.");
    flags.Int("max_per_document", &max_per_document_, {0, 100}, "passages",
              "Most passages of one document; 0: any number.");
    flags.Int("neighbours", &neighbours_, {0, 8}, "chunks",
              "Text to show before and after each passage, as its document goes on.");
    flags.Bool(
        "explain", &explain_,
        "Say how each passage came to its place: what every word and list added, and what the "
        "steps of the search took.");
    connection_.Declare(flags);
  }

  int Run(const std::string&) override {
    v1::SearchRequest request;
    if (absl::Status status = Fill(&request); !status.ok()) return Fail(status, connection_.json);
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    v1::SearchResponse response;
    const auto context = (*gateway)->NewContext();
    const absl::Status status =
        (*gateway)->ToStatus((*gateway)->stub().Search(context.get(), request, &response));
    if (!status.ok()) return Fail(status, connection_.json);
    if (connection_.json) {
      PrintJson(response);
    } else {
      PrintPassages(response);
    }
    return response.passages().empty() ? kNothingFound : kOk;
  }

 private:
  absl::Status Fill(v1::SearchRequest* request) const {
    request->set_collection(collection_);
    request->set_query(query_);
    request->set_top_k(static_cast<std::uint32_t>(top_k_));
    request->set_mode(mode_ == "dense"     ? common::v1::SEARCH_MODE_DENSE
                      : mode_ == "lexical" ? common::v1::SEARCH_MODE_LEXICAL
                                           : common::v1::SEARCH_MODE_HYBRID);
    if (operators_) request->set_query_syntax(common::v1::QUERY_SYNTAX_OPERATORS);
    request->set_skip_rerank(!rerank_);
    if (diversity_ > 0) request->mutable_diversity()->set_lambda(1 - diversity_);
    request->set_max_per_document(static_cast<std::uint32_t>(max_per_document_));
    if (neighbours_ > 0) {
      request->mutable_neighbours()->set_before(static_cast<std::uint32_t>(neighbours_));
      request->mutable_neighbours()->set_after(static_cast<std::uint32_t>(neighbours_));
    }
    request->set_explain(explain_);
    if (filter_.empty()) return absl::OkStatus();
    const auto read =
        google::protobuf::util::JsonStringToMessage(filter_, request->mutable_filter());
    if (read.ok()) return absl::OkStatus();
    return InvalidField(
        "--filter", absl::StrCat("is no filter: ", std::string(read.message())),
        "Write JSON, for example {\"prefix\": {\"field\": \"part\", \"prefix\": \"P-\"}}.");
  }

  std::string query_, collection_ = "default", mode_ = "hybrid", filter_;
  std::int64_t top_k_ = 5, max_per_document_ = 0, neighbours_ = 0;
  double diversity_ = 0;
  bool operators_ = false, rerank_ = true, explain_ = false;
  ConnectionOptions connection_;
};

}  // namespace

std::unique_ptr<Command> MakeSearchCommand() { return std::make_unique<SearchCommand>(); }

}  // namespace ragmesh::cli
