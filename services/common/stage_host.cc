#include "services/common/stage_host.h"

#include <google/protobuf/stubs/logging.h>
#include <pthread.h>
#include <signal.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/http/server.h"
#include "libs/version/version.h"
#include "services/common/admin_server.h"
#include "services/common/log_exporter.h"

namespace ragmesh::services {
namespace {

sigset_t EndSignals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  return set;
}

log::Logger::Options LogOptions(const std::string& stage, const std::string& level) {
  return {.stage = stage, .level = log::ParseLevel(level).value_or(log::Level::kInfo)};
}

// "message. next step", for people.
std::string Explain(const absl::Status& status) {
  const auto detail = GetErrorDetail(status);
  if (!detail.has_value() || detail->next_step.empty()) return std::string(status.message());
  return absl::StrCat(status.message(), ". ", detail->next_step);
}

}  // namespace

StageHost::StageHost(std::string stage, std::string service, rpc::ServerOptions options,
                     std::vector<std::string> flag_values)
    : stage_(std::move(stage)),
      service_name_(std::move(service)),
      options_(std::move(options)),
      flag_values_(std::move(flag_values)),
      log_(LogOptions(stage_, options_.log_level)) {
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  // Debian builds abseil with its search for circles of locks: 100 ns each time that a thread holds
  // two, under one lock for the whole process. Tests and the thread sanitizer search.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // It prints a line of plain text for each string that is not UTF-8, between our lines of JSON;
  // the caller gets a typed error for it.
  google::protobuf::SetLogHandler(nullptr);
  spans_ = std::make_unique<LogExporter>(log_);
  workers_ = std::make_unique<ThreadPool>(stage_, static_cast<int>(options_.workers),
                                          static_cast<std::size_t>(options_.max_queued));
  runtime_ = std::make_unique<rpc::ServerRuntime>(
      rpc::ServerRuntime::Options{.stage = stage_,
                                  .methods = rpc::MethodNames(service_name_),
                                  .max_call_time = options_.max_call_time,
                                  .max_write_stall = options_.max_write_stall},
      *workers_, log_, metrics_, *spans_);
  metrics_.AddInfo("ragmesh_build_info", "Version of this binary.",
                   {{"stage", stage_}, {"version", Version()}, {"commit", Commit()}});
}

StageHost::~StageHost() = default;

absl::Status StageHost::StartServers(grpc::Service& service) {
  RAGMESH_ASSIGN_OR_RETURN(server_, rpc::Server::Start(options_, {&service}, {service_name_}));
  auto& ready = metrics_.AddGauge(
      absl::StrCat("ragmesh_", absl::StrReplaceAll(stage_, {{"-", "_"}}), "_ready"),
      "1 when the stage can do its work.");
  metrics_.OnScrape([&ready, this] { ready.Set(server_->readiness().ready ? 1 : 0); });
  if (!options_.admin_listen.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(admin_, StartAdminServer(options_.admin_listen, metrics_,
                                                      [this] { return server_->readiness(); }));
  }
  log_.Info("started", {{"version", Version()},
                        {"commit", Commit()},
                        {"listen", absl::StrJoin(server_->addresses(), ",")},
                        {"admin_port", admin_ == nullptr ? 0 : admin_->port()},
                        {"flags", absl::StrJoin(flag_values_, " ")}});
  return absl::OkStatus();
}

void StageHost::ReportReadiness(const absl::Status& readiness) {
  absl::MutexLock lock(&end_mutex_);
  if (server_ == nullptr) return;
  if (readiness.ok()) {
    server_->SetReady();
  } else {
    server_->SetNotReady(Explain(readiness));
  }
}

int StageHost::Run(grpc::Service& service,
                   absl::AnyInvocable<absl::Status(const CallContext&) &&> load) {
  if (absl::Status status = StartServers(service); !status.ok()) {
    log_.Error("cannot_start", {{"error", status}, {"next_step", Explain(status)}});
    return 1;
  }
  const CallContext loading{absl::InfiniteFuture()};
  std::thread loader([this, &loading, load = std::move(load)]() mutable {
    const absl::Time begun = absl::Now();
    const absl::Status status = std::move(load)(loading);
    ReportReadiness(status);
    if (status.ok()) {
      log_.Info("ready", {{"load_ms", absl::ToDoubleMilliseconds(absl::Now() - begun)}});
    } else {
      log_.Warning("not_ready", {{"reason", Explain(status)}});
    }
  });
  const sigset_t signals = EndSignals();
  int signal_number = 0;
  sigwait(&signals, &signal_number);
  loading.Cancel();
  const absl::Time begun = absl::Now();
  log_.Info("draining", {{"signal", signal_number}, {"timeout", options_.drain_timeout}});
  loader.join();
  if (before_drain_) std::move(before_drain_)(begun + options_.drain_timeout);
  server_->Drain(begun + options_.drain_timeout - absl::Now());
  admin_.reset();  // nobody asks for readiness any more
  {
    absl::MutexLock lock(&end_mutex_);
    server_.reset();
  }
  log_.Info("stopped", {{"drain_ms", absl::ToDoubleMilliseconds(absl::Now() - begun)}});
  return 0;
}

}  // namespace ragmesh::services
