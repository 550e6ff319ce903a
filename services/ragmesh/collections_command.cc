// ragmesh collections
// list|create|show|update|delete|tune|change-model|rollback|finish|export|import|keygen.
#include <cstdio>
#include <string>

#include "absl/time/time.h"
#include "libs/base/error.h"
#include "libs/stages/vector_store.h"
#include "services/ragmesh/collection_transfer.h"
#include "services/ragmesh/collection_tuning.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/model_changes.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

class CollectionsCommand final : public Command {
 public:
  std::string Name() const override { return "collections"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags = root.Subcommand(
        "collections", "Lists, makes, shows, changes, tunes, moves and deletes collections.");
    flags::FlagSet& list = flags.Subcommand("list", "All collections.", "ragmesh collections list");
    connection_.Declare(list);
    flags::FlagSet& create = flags.Subcommand("create", "Makes a collection.",
                                              "ragmesh collections create manuals --language de");
    create.Positional("name", &name_, true, "Lower-case letters, digits, '-' and '_'.");
    DeclareSettings(create);
    create.String("language", &language_, "Language of the documents, for stemming: en, de, ...");
    create.Bool("lexical_only", &lexical_only_, "Search words only, without an embedder.");
    connection_.Declare(create);
    flags::FlagSet& show =
        flags.Subcommand("show", "One collection.", "ragmesh collections show manuals");
    show.Positional("name", &name_, true, "Its name.");
    connection_.Declare(show);
    update_ = &flags.Subcommand("update",
                                "Changes settings of a collection: those whose flags are given. "
                                "Weights and constants of rankings are changed by tune.",
                                "ragmesh collections update manuals --retention 720h");
    update_->Positional("name", &name_, true, "Its name.");
    DeclareSettings(*update_);
    update_->DefaultsAre("what it is now");
    update_->Check([this]() -> absl::Status {
      for (const char* const name : {"description", "retention", "dense_recall"}) {
        if (update_->Given(name)) return absl::OkStatus();
      }
      return InvalidField("command line", "changes nothing",
                          "Give --description, --retention or --dense_recall.");
    });
    connection_.Declare(*update_);
    flags::FlagSet& remove =
        flags.Subcommand("delete", "Deletes a collection and all that is in it.",
                         "ragmesh collections delete manuals --yes");
    remove.Positional("name", &name_, true, "Its name.");
    remove.Bool("yes", &yes_, "Do it; without this flag nothing is deleted.");
    connection_.Declare(remove);
    tuning_.Declare(flags, &name_, &connection_);
    changes_.Declare(flags, &name_, &connection_);
    transfer_.Declare(flags);
  }

  int Run(const std::string& chosen) override {
    if (CollectionTransfer::Has(chosen)) return transfer_.Run(chosen);
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    absl::Status status;
    if (chosen == "collections list") status = List(**gateway);
    if (chosen == "collections create") status = Create(**gateway);
    if (chosen == "collections show") status = ShowOne(**gateway);
    if (chosen == "collections update") status = Update(**gateway);
    if (chosen == "collections delete") status = Delete(**gateway);
    if (chosen == "collections tune") status = tuning_.Run(**gateway, name_, connection_);
    if (changes_.Takes(chosen)) status = changes_.Run(chosen, **gateway, name_, connection_);
    return status.ok() ? kOk : Fail(status, connection_.json);
  }

 private:
  // Those that can be changed later.
  void DeclareSettings(flags::FlagSet& flags) {
    flags.String("description", &description_, "For people.");
    flags.Duration("retention", &retention_, {absl::ZeroDuration(), absl::Hours(24 * 36500)},
                   "For how long documents are kept, from their last write on: 720h. 0: for ever. "
                   "Those there already keep the time they have.");
    flags.Double("dense_recall", &dense_recall_, {0.8, 1}, "",
                 "Share of the nearest passages that a search by meaning finds on average: less is "
                 "faster, 1 compares every vector.");
  }

  void Print(const v1::Collection& c) const {
    std::printf("%s: %llu documents, %llu chunks, %s, language %s%s%s\n", c.name().c_str(),
                static_cast<unsigned long long>(c.documents()),
                static_cast<unsigned long long>(c.chunks()),
                c.embedder_model().empty() ? "lexical only" : c.embedder_model().c_str(),
                c.language().c_str(), c.description().empty() ? "" : ". ",
                Printable(c.description()).c_str());
  }

  absl::Status List(GatewayConnection& gateway) {
    v1::ListCollectionsResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().ListCollections(context.get(), {}, &response));
    if (!status.ok()) return status;
    if (connection_.json) {
      PrintJson(response);
      return status;
    }
    for (const v1::Collection& collection : response.collections()) Print(collection);
    if (response.collections().empty()) {
      std::printf("No collections yet. Make one with: ragmesh ingest FOLDER\n");
    }
    return status;
  }

  absl::Status Create(GatewayConnection& gateway) {
    v1::CreateCollectionRequest request;
    request.set_name(name_);
    request.set_description(description_);
    request.set_language(language_);
    request.set_lexical_only(lexical_only_);
    request.set_dense_recall(dense_recall_);
    if (retention_ > absl::ZeroDuration())
      request.mutable_retention()->set_seconds(absl::ToInt64Seconds(retention_));
    v1::CreateCollectionResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().CreateCollection(context.get(), request, &response));
    if (status.ok()) connection_.json ? PrintJson(response) : Print(response.collection());
    return status;
  }

  absl::Status ShowOne(GatewayConnection& gateway) {
    v1::GetCollectionRequest request;
    request.set_collection(name_);
    v1::GetCollectionResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().GetCollection(context.get(), request, &response));
    if (!status.ok()) return status;
    if (connection_.json) {
      PrintJson(response);
      return status;
    }
    Print(response.collection());
    PrintSettings(response.collection());
    if (response.can_roll_back()) {
      const std::string& model = response.previous_embedder_model();
      std::printf("Kept to go back to: %s (ragmesh collections rollback, or finish)\n",
                  model.empty() ? "lexical only" : model.c_str());
    }
    return status;
  }

  void PrintSettings(const v1::Collection& c) const {
    if (!c.embedder_model().empty())
      std::printf("Searches by meaning find %g of the nearest passages.\n", c.dense_recall());
    if (c.has_retention()) {
      const absl::Duration retention = absl::Seconds(c.retention().seconds());
      std::printf("Documents are kept for %s.\n", absl::FormatDuration(retention).c_str());
    }
  }

  absl::Status Update(GatewayConnection& gateway) {
    v1::UpdateCollectionRequest request;
    request.set_collection(name_);
    if (update_->Given("description")) request.set_description(description_);
    if (update_->Given("dense_recall")) request.set_dense_recall(dense_recall_);
    if (update_->Given("retention"))
      request.mutable_retention()->set_seconds(absl::ToInt64Seconds(retention_));
    v1::UpdateCollectionResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().UpdateCollection(context.get(), request, &response));
    if (!status.ok()) return status;
    if (connection_.json) {
      PrintJson(response);
      return status;
    }
    Print(response.collection());
    PrintSettings(response.collection());
    return status;
  }

  absl::Status Delete(GatewayConnection& gateway) {
    v1::GetCollectionRequest get;
    get.set_collection(name_);
    v1::GetCollectionResponse found;
    const auto get_context = gateway.NewContext();
    absl::Status status =
        gateway.ToStatus(gateway.stub().GetCollection(get_context.get(), get, &found));
    if (!status.ok()) return status;
    if (!yes_) {
      std::printf("Would delete ");
      Print(found.collection());
      std::printf("Add --yes to do it.\n");
      return status;
    }
    v1::DeleteCollectionRequest request;
    request.set_collection(name_);
    v1::DeleteCollectionResponse response;
    const auto context = gateway.NewContext();
    status = gateway.ToStatus(gateway.stub().DeleteCollection(context.get(), request, &response));
    if (status.ok() && !connection_.json) std::printf("Deleted \"%s\".\n", name_.c_str());
    return status;
  }

  std::string name_, description_, language_ = "en";
  absl::Duration retention_ = absl::ZeroDuration();
  double dense_recall_ = stages::CollectionConfig().dense_recall;
  bool lexical_only_ = false, yes_ = false;
  CollectionTuning tuning_;
  ModelChanges changes_;
  CollectionTransfer transfer_;
  ConnectionOptions connection_;
  flags::FlagSet* update_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> MakeCollectionsCommand() { return std::make_unique<CollectionsCommand>(); }

}  // namespace ragmesh::cli
