// ragmesh documents list|show|delete.
#include <cstdio>
#include <string>

#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace v1 = ragmesh::gateway::v1;

class DocumentsCommand final : public Command {
 public:
  std::string Name() const override { return "documents"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags =
        root.Subcommand("documents", "Lists, shows and deletes documents of a collection.");
    flags::FlagSet& list = flags.Subcommand("list", "All documents with their ids.",
                                            "ragmesh documents list --collection manuals");
    list.String("collection", &collection_, "Collection.");
    connection_.Declare(list);
    flags::FlagSet& show =
        flags.Subcommand("show", "The normalised text of one document, into which citations point.",
                         "ragmesh documents show ID");
    show.Positional("id", &id_, true, "Document id.");
    show.String("collection", &collection_, "Collection.");
    connection_.Declare(show);
    flags::FlagSet& remove = flags.Subcommand("delete", "Deletes one document from every index.",
                                              "ragmesh documents delete ID");
    remove.Positional("id", &id_, true, "Document id.");
    remove.String("collection", &collection_, "Collection.");
    connection_.Declare(remove);
  }

  int Run(const std::string& chosen) override {
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    absl::Status status;
    if (chosen == "documents list") status = List(**gateway);
    if (chosen == "documents show") status = ShowOne(**gateway);
    if (chosen == "documents delete") status = Delete(**gateway);
    return status.ok() ? kOk : Fail(status, connection_.json);
  }

 private:
  absl::Status List(GatewayConnection& gateway) {
    v1::ListDocumentsRequest request;
    request.set_collection(collection_);
    request.set_page_size(1000);
    do {
      v1::ListDocumentsResponse response;
      const auto context = gateway.NewContext();
      const absl::Status status =
          gateway.ToStatus(gateway.stub().ListDocuments(context.get(), request, &response));
      if (!status.ok()) return status;
      for (const v1::Document& document : response.documents()) {
        if (connection_.json) {
          PrintJson(document);
          continue;
        }
        const auto& info = document.info();
        std::printf("%s  v%llu  %s  (%s, %llu characters)\n", document.id().c_str(),
                    static_cast<unsigned long long>(document.version()),
                    Printable(document.name()).c_str(), info.media_type().c_str(),
                    static_cast<unsigned long long>(info.coverage().characters_out()));
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    return absl::OkStatus();
  }

  absl::Status ShowOne(GatewayConnection& gateway) {
    v1::GetDocumentRequest request;
    request.set_collection(collection_);
    request.set_document_id(id_);
    v1::GetDocumentResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().GetDocument(context.get(), request, &response));
    if (!status.ok()) return status;
    if (connection_.json) {
      PrintJson(response);
    } else {
      std::printf("%s\n", Printable(response.document().text()).c_str());
    }
    return status;
  }

  absl::Status Delete(GatewayConnection& gateway) {
    v1::DeleteDocumentRequest request;
    request.set_collection(collection_);
    request.set_document_id(id_);
    v1::DeleteDocumentResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().DeleteDocument(context.get(), request, &response));
    if (!status.ok()) return status;
    if (connection_.json) {
      PrintJson(response);
    } else {
      std::printf("Deleted, with %llu chunks.\n",
                  static_cast<unsigned long long>(response.chunks()));
    }
    return status;
  }

  std::string collection_ = "default", id_;
  ConnectionOptions connection_;
};

}  // namespace

std::unique_ptr<Command> MakeDocumentsCommand() { return std::make_unique<DocumentsCommand>(); }

}  // namespace ragmesh::cli
