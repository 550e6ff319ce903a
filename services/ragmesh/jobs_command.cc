// ragmesh jobs list|show|cancel|retry.
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

const char* StateWord(v1::JobState state) {
  switch (state) {
    case v1::JOB_STATE_QUEUED:
      return "queued";
    case v1::JOB_STATE_RUNNING:
      return "running";
    case v1::JOB_STATE_SUCCEEDED:
      return "succeeded";
    case v1::JOB_STATE_FAILED:
      return "failed";
    case v1::JOB_STATE_CANCELLED:
      return "cancelled";
    default:
      return "unknown";
  }
}

class JobsCommand final : public Command {
 public:
  std::string Name() const override { return "jobs"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags = root.Subcommand("jobs", "Shows, cancels and retries ingest jobs.");
    flags::FlagSet& list = flags.Subcommand("list", "Jobs, newest first.", "ragmesh jobs list");
    connection_.Declare(list);
    const auto one = [this, &flags](const char* name, const char* about) {
      flags::FlagSet& command = flags.Subcommand(name, about);
      command.Positional("id", &id_, true, "Job id.");
      connection_.Declare(command);
    };
    one("show", "One job with its documents and the reasons of those that failed.");
    one("cancel", "Stops a job; documents already in stay.");
    one("retry", "Queues the failed and cancelled documents of a job again.");
  }

  int Run(const std::string& chosen) override {
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    absl::Status status;
    if (chosen == "jobs list") status = List(**gateway);
    if (chosen == "jobs show") status = ShowOne(**gateway);
    if (chosen == "jobs cancel") status = Cancel(**gateway);
    if (chosen == "jobs retry") status = Retry(**gateway);
    return status.ok() ? kOk : Fail(status, connection_.json);
  }

 private:
  void Print(const v1::Job& job) const {
    if (connection_.json) return PrintJson(job);
    std::printf("%s  %s  %s: %u of %u documents in, %u failed, %llu chunks\n", job.id().c_str(),
                StateWord(job.state()), job.collection().c_str(), job.documents_done(),
                job.documents_total(), job.documents_failed(),
                static_cast<unsigned long long>(job.chunks_done()));
  }

  absl::Status List(GatewayConnection& gateway) {
    v1::ListJobsResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().ListJobs(context.get(), {}, &response));
    for (const v1::Job& job : response.jobs()) Print(job);
    return status;
  }

  absl::Status ShowOne(GatewayConnection& gateway) {
    v1::GetJobRequest request;
    request.set_job_id(id_);
    v1::GetJobResponse response;
    const auto context = gateway.NewContext();
    absl::Status status =
        gateway.ToStatus(gateway.stub().GetJob(context.get(), request, &response));
    if (!status.ok()) return status;
    Print(response.job());
    v1::ListJobDocumentsRequest list;
    list.set_job_id(id_);
    list.set_page_size(1000);
    do {
      v1::ListJobDocumentsResponse page;
      const auto page_context = gateway.NewContext();
      status = gateway.ToStatus(gateway.stub().ListJobDocuments(page_context.get(), list, &page));
      if (!status.ok()) return status;
      for (const v1::JobDocument& document : page.documents()) {
        if (connection_.json) {
          PrintJson(document);
          continue;
        }
        std::printf("  %s  %s%s%s%s\n", StateWord(document.state()),
                    Printable(document.name()).c_str(), document.unchanged() ? " (unchanged)" : "",
                    document.has_error() ? ": " : "",
                    Printable(document.error().message()).c_str());
      }
      list.set_page_token(page.next_page_token());
    } while (!list.page_token().empty());
    return status;
  }

  absl::Status Cancel(GatewayConnection& gateway) {
    v1::CancelJobRequest request;
    request.set_job_id(id_);
    v1::CancelJobResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().CancelJob(context.get(), request, &response));
    if (status.ok()) Print(response.job());
    return status;
  }

  absl::Status Retry(GatewayConnection& gateway) {
    v1::RetryJobRequest request;
    request.set_job_id(id_);
    v1::RetryJobResponse response;
    const auto context = gateway.NewContext();
    const absl::Status status =
        gateway.ToStatus(gateway.stub().RetryJob(context.get(), request, &response));
    if (status.ok()) Print(response.job());
    return status;
  }

  std::string id_;
  ConnectionOptions connection_;
};

}  // namespace

std::unique_ptr<Command> MakeJobsCommand() { return std::make_unique<JobsCommand>(); }

}  // namespace ragmesh::cli
