// ragmesh ingest PATH...: sends files to the server and follows them until they can be asked.
#include <algorithm>
#include <cstdio>
#include <deque>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "services/ragmesh/command.h"
#include "services/ragmesh/exit_status.h"
#include "services/ragmesh/gateway_connection.h"
#include "services/ragmesh/json_output.h"
#include "services/ragmesh/terminal.h"

namespace ragmesh::cli {
namespace {

namespace fs = std::filesystem;
namespace v1 = ragmesh::gateway::v1;

constexpr std::size_t kPieceBytes = 1 << 20;  // of an upload, a message holds at most 4 MiB
constexpr std::size_t kMaxWaiting = 16;       // jobs on the server that are not finished
constexpr absl::Duration kStartPatience = absl::Minutes(1);  // for a server that just started
constexpr absl::Duration kPoll = absl::Milliseconds(50);

struct LocalFile {
  fs::path path;
  std::string name;  // as the document will be called: relative to the folder given
};

// Regular files below `path`, or `path` itself; hidden ones are left out, order is by name.
absl::Status Collect(const std::string& path, std::vector<LocalFile>* files) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (fs::is_regular_file(status)) {
    files->push_back({path, fs::path(path).filename().string()});
    return absl::OkStatus();
  }
  if (!fs::is_directory(status)) {
    return NotFound("file or folder", path, "Check the path, or quote it when it has spaces.");
  }
  const std::size_t first = files->size();
  auto walk =
      fs::recursive_directory_iterator(path, fs::directory_options::skip_permission_denied, error);
  for (; !error && walk != fs::recursive_directory_iterator(); walk.increment(error)) {
    const bool hidden = walk->path().filename().string().front() == '.';
    if (hidden && walk->is_directory()) walk.disable_recursion_pending();
    if (!hidden && walk->is_regular_file()) {
      files->push_back({walk->path(), fs::relative(walk->path(), path).string()});
    }
  }
  if (error) return absl::UnavailableError(absl::StrCat("reading ", path, ": ", error.message()));
  std::sort(files->begin() + static_cast<std::ptrdiff_t>(first), files->end(),
            [](const LocalFile& a, const LocalFile& b) { return a.name < b.name; });
  return absl::OkStatus();
}

class IngestCommand final : public Command {
 public:
  std::string Name() const override { return "ingest"; }

  void Declare(flags::FlagSet& root) override {
    flags::FlagSet& flags = root.Subcommand(
        "ingest", "Adds files and folders to a collection; unchanged files are skipped.",
        "ragmesh ingest manuals/ --collection manuals");
    flags.PositionalList("path", &paths_, /*required=*/true, "Files or folders.");
    flags.Group("Ingest");
    flags.String("collection", &collection_, "Collection to add to; made when it does not exist.");
    flags.String("document_password", &password_, "Password of encrypted documents.");
    flags.StringList("label", &labels_, "Who may see the documents; default: your own labels.");
    flags.Int("max_chunk_tokens", &max_chunk_tokens_, {0, 8192}, "tokens",
              "Chunk size; 0: the server's default.");
    connection_.Declare(flags);
  }

  int Run(const std::string&) override {
    std::vector<LocalFile> files;
    for (const std::string& path : paths_) {
      const absl::Status status = Collect(path, &files);
      if (!status.ok()) return Fail(status, connection_.json);
    }
    if (files.empty()) {
      return Fail(InvalidField("path", "holds no files", "Name a folder with documents in it."),
                  connection_.json);
    }
    auto gateway = GatewayConnection::Open(connection_);
    if (!gateway.ok()) return Fail(gateway.status(), connection_.json);
    gateway_ = gateway->get();
    const absl::Status status = IngestAll(files);
    if (!status.ok()) return Fail(status, connection_.json);
    Report(files.size());
    return failures_.empty() ? kOk : kPartlyFailed;
  }

 private:
  struct Waiting {
    std::string job_id;
    std::string name;
  };

  absl::Status IngestAll(const std::vector<LocalFile>& files);
  absl::Status EnsureCollection();
  absl::Status Upload(const LocalFile& file, std::deque<Waiting>* waiting);
  absl::Status Settle(std::deque<Waiting>* waiting, std::size_t keep, Progress* progress,
                      std::size_t total);
  absl::Status ShowProgress(const Waiting& waiting, std::size_t total, Progress* progress);
  absl::Status RecordEnded(const v1::Job& job, const std::string& name);
  void Report(std::size_t total) const;

  std::vector<std::string> paths_, labels_;
  std::string collection_ = "default", password_;
  std::int64_t max_chunk_tokens_ = 0;
  ConnectionOptions connection_;

  GatewayConnection* gateway_ = nullptr;
  std::size_t ended_ = 0, unchanged_ = 0;
  std::uint64_t chunks_ = 0;
  std::vector<std::pair<std::string, std::string>> failures_;  // name, reason
  const absl::Time begin_ = absl::Now();
};

absl::Status IngestCommand::EnsureCollection() {
  v1::CreateCollectionRequest request;
  request.set_name(collection_);
  v1::CreateCollectionResponse response;
  const auto context = gateway_->NewContext();
  const absl::Status status =
      gateway_->ToStatus(gateway_->stub().CreateCollection(context.get(), request, &response));
  return absl::IsAlreadyExists(status) ? absl::OkStatus() : status;
}

absl::Status IngestCommand::Upload(const LocalFile& file, std::deque<Waiting>* waiting) {
  std::ifstream bytes(file.path, std::ios::binary);
  if (!bytes) {
    failures_.emplace_back(file.name, "cannot be read");
    ++ended_;
    return absl::OkStatus();
  }
  const auto context = gateway_->NewContext();
  v1::UploadDocumentResponse response;
  const auto writer = gateway_->stub().UploadDocument(context.get(), &response);
  v1::UploadDocumentRequest request;
  v1::UploadHeader* header = request.mutable_header();
  header->set_collection(collection_);
  header->set_name(file.name);
  header->set_password(password_);
  for (const std::string& label : labels_) header->mutable_options()->add_acl_labels(label);
  header->mutable_options()->set_max_chunk_tokens(static_cast<std::uint32_t>(max_chunk_tokens_));
  bool open = writer->Write(request);
  std::string piece(kPieceBytes, '\0');
  while (open && bytes) {
    bytes.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    if (bytes.gcount() == 0) break;
    request.set_data(piece.data(), static_cast<std::size_t>(bytes.gcount()));
    open = writer->Write(request);
  }
  writer->WritesDone();
  const absl::Status status = gateway_->ToStatus(writer->Finish());
  if (status.ok()) {
    waiting->push_back({response.job().id(), file.name});
    return absl::OkStatus();
  }
  // What is wrong with one file leaves the others alone; what is wrong with the server does not.
  if (absl::IsUnavailable(status) || absl::IsUnauthenticated(status) ||
      absl::IsPermissionDenied(status)) {
    return status;
  }
  failures_.emplace_back(file.name, std::string(status.message()));
  ++ended_;
  return absl::OkStatus();
}

absl::Status IngestCommand::RecordEnded(const v1::Job& job, const std::string& name) {
  ++ended_;
  unchanged_ += job.documents_unchanged();
  chunks_ += job.chunks_done();
  if (connection_.json) PrintJson(job);
  if (job.state() == v1::JOB_STATE_SUCCEEDED) return absl::OkStatus();
  v1::ListJobDocumentsRequest request;
  request.set_job_id(job.id());
  v1::ListJobDocumentsResponse response;
  const auto context = gateway_->NewContext();
  RAGMESH_RETURN_IF_ERROR(
      gateway_->ToStatus(gateway_->stub().ListJobDocuments(context.get(), request, &response)));
  std::string reason = job.state() == v1::JOB_STATE_CANCELLED ? "cancelled" : job.error().message();
  if (response.documents_size() > 0 && response.documents(0).has_error()) {
    reason = response.documents(0).error().message();
  }
  failures_.emplace_back(name, reason);
  return absl::OkStatus();
}

// How far the document of a job is, beside how many have ended.
absl::Status IngestCommand::ShowProgress(const Waiting& waiting, std::size_t total,
                                         Progress* progress) {
  v1::ListJobDocumentsRequest request;
  request.set_job_id(waiting.job_id);
  v1::ListJobDocumentsResponse response;
  const auto context = gateway_->NewContext();
  RAGMESH_RETURN_IF_ERROR(
      gateway_->ToStatus(gateway_->stub().ListJobDocuments(context.get(), request, &response)));
  std::string note = waiting.name;
  double part = 0;
  if (response.documents_size() > 0) {
    const v1::JobDocument& document = response.documents(0);
    if (document.chunks_total() > 0) {
      part = static_cast<double>(document.chunks_done()) / document.chunks_total();
      absl::StrAppend(&note, ": ", document.chunks_done(), " of ", document.chunks_total(),
                      " chunks");
    }
    if (document.has_error()) absl::StrAppend(&note, " waits: ", document.error().message());
  }
  progress->Update(ended_, total, note, part);
  return absl::OkStatus();
}

// Waits until at most `keep` jobs are unfinished.
absl::Status IngestCommand::Settle(std::deque<Waiting>* waiting, std::size_t keep,
                                   Progress* progress, std::size_t total) {
  while (waiting->size() > keep) {
    v1::GetJobRequest request;
    request.set_job_id(waiting->front().job_id);
    v1::GetJobResponse response;
    const auto context = gateway_->NewContext();
    RAGMESH_RETURN_IF_ERROR(
        gateway_->ToStatus(gateway_->stub().GetJob(context.get(), request, &response)));
    const v1::Job& job = response.job();
    RAGMESH_RETURN_IF_ERROR(ShowProgress(waiting->front(), total, progress));
    if (job.state() == v1::JOB_STATE_QUEUED || job.state() == v1::JOB_STATE_RUNNING) {
      absl::SleepFor(kPoll);
      continue;
    }
    const std::string name = waiting->front().name;
    waiting->pop_front();
    RAGMESH_RETURN_IF_ERROR(RecordEnded(job, name));
  }
  return absl::OkStatus();
}

absl::Status IngestCommand::IngestAll(const std::vector<LocalFile>& files) {
  RAGMESH_RETURN_IF_ERROR(EnsureCollection());
  Progress progress("ingest", "files", connection_.quiet || connection_.json);
  std::deque<Waiting> waiting;
  for (const LocalFile& file : files) {
    RAGMESH_RETURN_IF_ERROR(Settle(&waiting, kMaxWaiting - 1, &progress, files.size()));
    RAGMESH_RETURN_IF_ERROR(Upload(file, &waiting));
  }
  return Settle(&waiting, 0, &progress, files.size());
}

void IngestCommand::Report(std::size_t total) const {
  if (connection_.json) return;
  std::printf("%zu of %zu files are in \"%s\": %llu chunks written, %zu files unchanged, %.1f s\n",
              total - failures_.size(), total, collection_.c_str(),
              static_cast<unsigned long long>(chunks_), unchanged_,
              absl::ToDoubleSeconds(absl::Now() - begin_));
  for (const auto& [name, reason] : failures_) {
    std::printf("  failed: %s: %s\n", Printable(name).c_str(), Printable(reason).c_str());
  }
}

}  // namespace

std::unique_ptr<Command> MakeIngestCommand() { return std::make_unique<IngestCommand>(); }

}  // namespace ragmesh::cli
