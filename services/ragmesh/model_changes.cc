#include "services/ragmesh/model_changes.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/status.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {

namespace v1 = ragmesh::gateway::v1;

namespace {

constexpr char kChange[] = "collections change-model";
constexpr char kRollBack[] = "collections rollback";
constexpr char kFinish[] = "collections finish";
constexpr absl::Duration kPoll = absl::Milliseconds(200);

bool Ended(v1::JobState state) {
  return state != v1::JOB_STATE_QUEUED && state != v1::JOB_STATE_RUNNING;
}

const char* NameOf(const v1::ModelChange& change) {
  return change.embedder_model().empty() ? "lexical search only" : change.embedder_model().c_str();
}

}  // namespace

void ModelChanges::Declare(flags::FlagSet& collections, std::string* name,
                           ConnectionOptions* connection) {
  flags::FlagSet& change = collections.Subcommand(
      "change-model", "Embeds a collection anew with another model while it serves.",
      "ragmesh collections change-model manuals --embedder=bge-small-en-v1.5");
  change.Positional("name", name, true, "Its name.");
  change.String("embedder", &embedder_,
                "Model of an embedder that is served; by default the one that is not the "
                "collection's.");
  change.Bool("detach", &detach_, "Leave once the job is queued; `ragmesh jobs show` follows it.");
  connection->Declare(change);
  flags::FlagSet& back = collections.Subcommand(
      "rollback", "Goes back to the model before, with everything written since.",
      "ragmesh collections rollback manuals");
  back.Positional("name", name, true, "Its name.");
  back.Bool("detach", &detach_, "Leave once the job is queued.");
  connection->Declare(back);
  flags::FlagSet& finish = collections.Subcommand(
      "finish", "Deletes what is kept to go back to after a change of the model.",
      "ragmesh collections finish manuals");
  finish.Positional("name", name, true, "Its name.");
  connection->Declare(finish);
}

bool ModelChanges::Takes(absl::string_view chosen) const {
  return chosen == kChange || chosen == kRollBack || chosen == kFinish;
}

absl::Status ModelChanges::Run(absl::string_view chosen, GatewayConnection& gateway,
                               const std::string& name, const ConnectionOptions& connection) {
  if (chosen == kFinish) return Finish(gateway, name, connection);
  const auto context = gateway.NewContext();
  v1::Job job;
  if (chosen == kChange) {
    v1::ChangeModelRequest request;
    request.set_collection(name);
    request.set_embedder(embedder_);
    v1::ChangeModelResponse response;
    RAGMESH_RETURN_IF_ERROR(
        gateway.ToStatus(gateway.stub().ChangeModel(context.get(), request, &response)));
    job = response.job();
  } else {
    v1::RollBackModelRequest request;
    request.set_collection(name);
    v1::RollBackModelResponse response;
    RAGMESH_RETURN_IF_ERROR(
        gateway.ToStatus(gateway.stub().RollBackModel(context.get(), request, &response)));
    job = response.job();
  }
  if (!detach_) return Follow(gateway, job, connection);
  if (connection.json) {
    PrintJson(job);
  } else {
    std::printf("Job %s gives \"%s\" the model %s. Follow it with: ragmesh jobs show %s\n",
                job.id().c_str(), name.c_str(), NameOf(job.model_change()), job.id().c_str());
  }
  return absl::OkStatus();
}

// Ctrl-C leaves the job running: it belongs to the server.
absl::Status ModelChanges::Follow(GatewayConnection& gateway, const v1::Job& begun,
                                  const ConnectionOptions& connection) {
  Progress progress("change-model", "documents", connection.quiet || connection.json);
  v1::GetJobRequest request;
  request.set_job_id(begun.id());
  v1::Job job = begun;
  while (!Ended(job.state())) {
    absl::SleepFor(kPoll);
    v1::GetJobResponse response;
    const auto context = gateway.NewContext();
    RAGMESH_RETURN_IF_ERROR(
        gateway.ToStatus(gateway.stub().GetJob(context.get(), request, &response)));
    job = response.job();
    std::string note = absl::StrCat(job.chunks_done(), " chunks embedded");
    if (!Ended(job.state()) && job.has_error())
      absl::StrAppend(&note, ", waits: ", Printable(job.error().message()));
    progress.Update(job.documents_done(), job.documents_total(), note);
  }
  progress.Clear();
  if (connection.json) PrintJson(job);
  if (job.state() == v1::JOB_STATE_CANCELLED) {
    return MakeError(absl::StatusCode::kAborted,
                     absl::StrCat("job ", job.id(), " was cancelled; the collection is as it was"),
                     {.reason = "MODEL_CHANGE_CANCELLED",
                      .next_step = absl::StrCat("Go on with: ragmesh jobs retry ", job.id())});
  }
  if (job.state() != v1::JOB_STATE_SUCCEEDED) {
    const absl::Status error =
        rpc::FromGrpcStatus(grpc::Status(static_cast<grpc::StatusCode>(job.error().code()),
                                         job.error().message(), job.error().SerializeAsString()));
    return error.ok() ? absl::InternalError("the job failed and does not say why") : error;
  }
  if (connection.json) return absl::OkStatus();
  std::printf(
      "\"%s\" is searched with %s now: %llu chunks embedded, %u of %u documents were there "
      "already.\n",
      job.collection().c_str(), NameOf(job.model_change()),
      static_cast<unsigned long long>(job.chunks_done()), job.documents_unchanged(),
      job.documents_total());
  if (job.model_change().chunks_truncated() > 0) {
    std::printf(
        "%llu chunks are longer than the model reads; words count to their end, meaning "
        "does not.\n",
        static_cast<unsigned long long>(job.model_change().chunks_truncated()));
  }
  std::printf(
      "Go back with: ragmesh collections rollback %s. When it is good: ragmesh collections "
      "finish %s\n",
      job.collection().c_str(), job.collection().c_str());
  return absl::OkStatus();
}

absl::Status ModelChanges::Finish(GatewayConnection& gateway, const std::string& name,
                                  const ConnectionOptions& connection) {
  v1::FinishModelChangeRequest request;
  request.set_collection(name);
  v1::FinishModelChangeResponse response;
  const auto context = gateway.NewContext();
  RAGMESH_RETURN_IF_ERROR(
      gateway.ToStatus(gateway.stub().FinishModelChange(context.get(), request, &response)));
  if (connection.json) {
    PrintJson(response);
  } else if (response.deleted().empty()) {
    std::printf("Nothing is kept beside \"%s\".\n", name.c_str());
  } else {
    std::printf("Deleted what was kept beside \"%s\".\n", name.c_str());
  }
  return absl::OkStatus();
}

}  // namespace ragmesh::cli
