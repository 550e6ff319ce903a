#include "libs/remote_generation/watched_generator.h"

#include <string>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/remote_generation/server_error.h"

namespace ragmesh::remote_generation {
WatchedGenerator::WatchedGenerator(std::unique_ptr<RemoteGenerator> remote,
                                   std::shared_ptr<stages::Generator> local,
                                   const HealthWatch::Options& watch, HealthWatch::OnProbe on_probe,
                                   metrics::Registry& registry)
    : remote_(std::move(remote)),
      local_(std::move(local)),
      healthy_(registry.AddGauge("ragmesh_generator_remote_healthy",
                                 "1 while the model server does its work.")),
      calls_(registry.Counters("ragmesh_generator_backend_calls_total",
                               "Generations begun, by what was to write them.",
                               {{"backend", {"remote", "engine"}}})),
      watch_(
          watch, [this](const CallContext& call) { return remote_->Probe(call); },
          [this, on_probe = std::move(on_probe)](const absl::Status& status) {
            healthy_.Set(status.ok() ? 1 : 0);
            if (on_probe) on_probe(status);
          }) {}

bool WatchedGenerator::TakesOver(const absl::Status& error, const CallContext& call) {
  if (!IsServerFault(error)) return false;
  healthy_.Set(0);
  watch_.ReportFailure(error);
  return local_ != nullptr && call.Check().ok();
}

absl::StatusOr<stages::GenerateResult> WatchedGenerator::Generate(
    const stages::GenerateRequest& request,
    absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token, const CallContext& call) {
  if (!UsesLocal()) {
    calls_.With({"remote"}).Increment();
    bool begun = false;
    auto result = remote_->Generate(
        request,
        [&](const stages::TokenEvent& event) {
          begun = true;
          watch_.ReportSuccess();
          return on_token(event);
        },
        call);
    if (result.ok()) watch_.ReportSuccess();
    if (result.ok() || !TakesOver(result.status(), call) || begun) return result;
  }
  calls_.With({"engine"}).Increment();
  return local_->Generate(request, on_token, call);
}

absl::StatusOr<std::vector<std::uint32_t>> WatchedGenerator::Tokenize(const stages::Prompt& prompt,
                                                                      const CallContext& call) {
  if (!UsesLocal()) {
    auto ids = remote_->Tokenize(prompt, call);
    if (ids.ok() || !TakesOver(ids.status(), call)) return ids;
  }
  return local_->Tokenize(prompt, call);
}

absl::StatusOr<stages::StageInfo> WatchedGenerator::Info(const CallContext& call) {
  const absl::Status remote = watch_.status();
  const bool uses_local = UsesLocal();
  RAGMESH_ASSIGN_OR_RETURN(stages::StageInfo info,
                           uses_local ? local_->Info(call) : remote_->Info(call));
  info.features["backend"] = uses_local ? "engine" : "remote";
  if (!remote.ok()) {
    info.features["remote"] = std::string(remote.message());
    if (!uses_local) {
      info.ready = false;
      info.not_ready_reason = std::string(remote.message());
    }
  }
  return info;
}

}  // namespace ragmesh::remote_generation
