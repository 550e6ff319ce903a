// A model server that is watched, and an engine of this process for when it fails.
#ifndef RAGMESH_LIBS_REMOTE_GENERATION_WATCHED_GENERATOR_H_
#define RAGMESH_LIBS_REMOTE_GENERATION_WATCHED_GENERATOR_H_

#include <memory>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/metrics/registry.h"
#include "libs/remote_generation/health_watch.h"
#include "libs/remote_generation/remote_generator.h"
#include "libs/stages/generator.h"

namespace ragmesh::remote_generation {

// Calls go to the server. With a local engine they go there instead while the server's circuit is
// open (HealthWatch), and so does a call whose own try fails by the server's fault before its first
// text. A stream that has begun is never replayed: its error is returned. Without an engine every
// call is tried. Errors that are not the server's fault, CONTEXT_TOO_LONG or QUEUE_FULL, are
// returned as they are. Thread-safe.
class WatchedGenerator final : public stages::Generator {
 public:
  // `local` may be null. `on_probe` as for HealthWatch. `registry` is borrowed for life; gains
  // ragmesh_generator_remote_healthy and ragmesh_generator_backend_calls_total{backend}.
  WatchedGenerator(std::unique_ptr<RemoteGenerator> remote,
                   std::shared_ptr<stages::Generator> local, const HealthWatch::Options& watch,
                   HealthWatch::OnProbe on_probe, metrics::Registry& registry);

  // The first probe; watches from then on. Called once, before any call.
  absl::Status Start(const CallContext& call) { return watch_.Start(call); }

  bool has_local() const { return local_ != nullptr; }

  absl::StatusOr<stages::GenerateResult> Generate(
      const stages::GenerateRequest& request,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token,
      const CallContext& call) override;
  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(const stages::Prompt& prompt,
                                                      const CallContext& call) override;

  // Of the one that takes calls now; features "backend" ("remote" or "engine") and, when the
  // circuit is open, "remote" with the reason.
  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override;

 private:
  bool UsesLocal() const { return local_ != nullptr && !watch_.status().ok(); }
  // Notes a server's fault; true when `error` is one and the local engine can take over.
  bool TakesOver(const absl::Status& error, const CallContext& call);

  const std::unique_ptr<RemoteGenerator> remote_;
  const std::shared_ptr<stages::Generator> local_;
  metrics::Gauge& healthy_;
  metrics::Family<metrics::Counter>& calls_;
  HealthWatch watch_;  // goes first: its thread uses the others
};

}  // namespace ragmesh::remote_generation

#endif  // RAGMESH_LIBS_REMOTE_GENERATION_WATCHED_GENERATOR_H_
