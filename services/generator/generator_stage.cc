#include "services/generator/generator_stage.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/generation/llama_generator.h"
#include "libs/remote_generation/http_client.h"
#include "libs/remote_generation/watched_generator.h"
#include "services/generator/passage_metrics.h"

namespace ragmesh::services {
namespace {

absl::StatusOr<std::shared_ptr<stages::Generator>> MakeEngine(
    const GeneratorConfig& config, const ModelOptions& models, const std::string& kernel,
    int threads, metrics::Registry& registry, const CallContext& call) {
  RAGMESH_ASSIGN_OR_RETURN(const auto installed, FindInstalled(models, config.model, call));
  generation::GeneratorOptions options;
  options.path = installed.path("model.gguf");
  options.name = config.model;
  options.digest = installed.weights_digest();
  options.context = static_cast<std::size_t>(config.context_tokens);
  options.max_streams = static_cast<std::size_t>(config.max_streams);
  options.max_waiting = static_cast<std::size_t>(config.max_waiting);
  options.kv_bytes = static_cast<std::size_t>(config.kv_bytes);
  options.mode =
      config.mode == "exact" ? generation::ComputeMode::kExact : generation::ComputeMode::kFast;
  options.threads = threads;
  if (config.kv_type == "q8") options.cache = quant::KvType::kQ8;
  if (config.kv_type == "f16") options.cache = quant::KvType::kF16;
  if (config.kv_type == "bf16") options.cache = quant::KvType::kBF16;
  options.blend_passages = config.passages == "blend";
  if (!config.passage_folder.empty()) {
    options.passage_folder = config.passage_folder;
    options.passage_disk_bytes = static_cast<std::uint64_t>(config.passage_disk_bytes);
    options.passage_counts = CountPassages(registry);
    options.passages_fault = [log = models.log](const absl::Status& why) {
      if (log != nullptr) log->Warning("passages_not_kept", {{"reason", why}});
    };
  }
  if (!config.chat_template.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(const auto file, MappedFile::Open(config.chat_template));
    options.chat_template = std::string(file->bytes());
  }
  options.packed_folder = installed.packed_folder;
  options.not_shared = models.WarnOfPrivateWeights(config.model);
  // The names are those of the encoders' tables; where decoders have none of that name, the best of
  // the machine is used.
  options.kernel = quant::FindQuantKernels(kernel) == nullptr ? "" : kernel;
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<stages::Generator> generator,
                           generation::LoadGenerator(options));
  return generator;
}

// One line when the server's health changes, not one a probe.
class HealthLog {
 public:
  explicit HealthLog(log::Logger* log) : log_(log) {}

  void Note(const absl::Status& remote, bool stands_in) {
    if (log_ == nullptr || (known_ && well_ == remote.ok())) return;
    known_ = true;
    well_ = remote.ok();
    if (well_) {
      log_->Info("model_server_healthy", {});
    } else {
      log_->Warning("model_server_failed", {{"reason", remote}, {"engine_stands_in", stands_in}});
    }
  }

 private:
  log::Logger* const log_;
  bool known_ = false;
  bool well_ = false;
};

absl::StatusOr<MadeGenerator> MakeRemote(const GeneratorConfig& config, log::Logger* log,
                                         std::shared_ptr<stages::Generator> engine,
                                         OnGeneratorReadiness on_readiness,
                                         metrics::Registry& registry, const CallContext& call) {
  remote_generation::RemoteGenerator::Options options;
  options.url = config.url;
  options.model = config.remote_model;
  options.http.key_file = config.key_file;
  options.http.ca_file = config.ca_file;
  options.http.silence_timeout = config.silence_timeout;
  RAGMESH_ASSIGN_OR_RETURN(auto remote, remote_generation::RemoteGenerator::Create(options));
  remote_generation::HealthWatch::Options watch;
  watch.interval = config.probe_interval;
  const bool stands_in = engine != nullptr;
  const auto health_log = std::make_shared<HealthLog>(log);
  const auto on_probe = [=](const absl::Status& remote_status) {
    health_log->Note(remote_status, stands_in);
    if (on_readiness) on_readiness(stands_in ? absl::OkStatus() : remote_status);
  };
  auto generator = std::make_shared<remote_generation::WatchedGenerator>(
      std::move(remote), std::move(engine), watch, on_probe, registry);
  const absl::Status first = generator->Start(call);
  return MadeGenerator{std::move(generator), stands_in ? absl::OkStatus() : first};
}

}  // namespace

void GeneratorConfig::Declare(flags::FlagSet& flags) {
  flags.Group("Models");
  flags.String("generator_model", &model, "Catalogue name of the decoder.");
  flags.Group("Generation");
  flags.Int("generator_context", &context_tokens, {0, 1 << 20}, "tokens",
            "Prompt and answer of one stream together; 0: what model and memory allow.");
  flags.Int("generator_streams", &max_streams, {1, 256}, "streams",
            "Answers written at the same time.");
  flags.Int("generator_waiting", &max_waiting, {0, 100'000}, "streams",
            "Answers that wait for one of them to end; more are refused.");
  flags.Bytes("generator_kv_memory", &kv_bytes, {std::int64_t{1} << 20, std::int64_t{1} << 40},
              "Memory for keys and values of all running answers.");
  flags.Choice("generator_kv_type", &kv_type, {"auto", "f16", "bf16", "q8"},
               "How keys and values are kept in fast mode. auto: bf16 where the processor has dot "
               "products of it, else f16. q8 takes about half the memory.");
  flags.Choice(
      "generator_passages", &passages, {"exact", "blend"},
      "blend: what was computed for a passage is taken over by other prompts that name it; "
      "the first token comes sooner, the text differs a little.");
  flags.String("generator_passage_folder", &passage_folder,
               "Folder that keeps what was computed for passages over restarts, for one process at "
               "a time; needs --generator_passages=blend. Empty: memory alone does.");
  flags.Bytes("generator_passage_disk", &passage_disk_bytes,
              {std::int64_t{1} << 20, std::int64_t{1} << 44},
              "Most that files in that folder take; the least recently used make room.");
  flags.Choice("generator_mode", &mode, {"fast", "exact"},
               "fast: activations rounded to 8 bits. exact: 32-bit, the reference.");
  flags.String("generator_chat_template", &chat_template,
               "File with the Jinja template of conversations; empty: the model's own.");
  flags.Group("Model server");
  flags.Choice("generator_backend", &backend, {"engine", "openai"},
               "engine: this process writes. openai: a server with OpenAI's HTTP API does.");
  flags.String("generator_url", &url,
               "http://HOST:PORT or https://HOST:PORT of that server; /v1 is added unless the URL "
               "ends in a version of its own.");
  flags.String("generator_key_file", &key_file,
               "File with the server's key, sent as bearer token; read again for each call.");
  flags.String("generator_ca_file", &ca_file,
               "PEM file with the authorities that sign the server's certificate; empty: the "
               "system's.");
  flags.String("generator_remote_model", &remote_model,
               "Name of the model at the server; empty: the only one it has.");
  flags.Choice("generator_fallback", &fallback, {"none", "engine"},
               "engine: this process writes while the server fails.");
  flags.Duration("generator_silence_timeout", &silence_timeout, {absl::Seconds(1), absl::Hours(1)},
                 "Longest wait for the server's next byte, its queue included.");
  flags.Duration("generator_probe_interval", &probe_interval, {absl::Seconds(1), absl::Hours(1)},
                 "Between two probes of the server; each has it write one token.");
  flags.Check([this] { return Check(); });
}

absl::Status GeneratorConfig::Check() const {
  if (!chat_template.empty()) {
    const absl::Status readable = MappedFile::Open(chat_template).status();
    if (!readable.ok()) {
      return InvalidField("--generator_chat_template",
                          absl::StrCat("cannot be read: ", readable.message()),
                          "Name a file with the template, or leave it out.");
    }
  }
  if (!passage_folder.empty() && passages != "blend") {
    return InvalidField("--generator_passage_folder", "is for --generator_passages=blend alone",
                        "Set --generator_passages=blend, or leave it out.");
  }
  if (backend == "openai") {
    if (!url.empty()) return remote_generation::CheckServerUrl("--generator_url", url).status();
    return InvalidField("--generator_url", "is missing, which --generator_backend=openai needs",
                        "Name the model server: --generator_url=http://HOST:PORT.");
  }
  if (url.empty() && fallback == "none") return absl::OkStatus();
  return InvalidField(url.empty() ? "--generator_fallback" : "--generator_url",
                      "is for --generator_backend=openai alone",
                      "Set --generator_backend=openai, or leave it out.");
}

absl::StatusOr<MadeGenerator> MakeGenerator(const GeneratorConfig& config,
                                            const ModelOptions& models, const std::string& kernel,
                                            int threads, OnGeneratorReadiness on_readiness,
                                            metrics::Registry& registry, const CallContext& call) {
  std::shared_ptr<stages::Generator> engine;
  if (config.backend == "engine" || config.fallback == "engine") {
    auto made = MakeEngine(config, models, kernel, threads, registry, call);
    if (config.backend == "engine") RAGMESH_RETURN_IF_ERROR(made.status());
    if (made.ok()) {
      engine = *std::move(made);
    } else if (models.log != nullptr) {
      models.log->Warning("fallback_not_loaded", {{"reason", made.status()}});
    }
  }
  if (config.backend == "engine") return MadeGenerator{std::move(engine), absl::OkStatus()};
  return MakeRemote(config, models.log, std::move(engine), std::move(on_readiness), registry, call);
}

}  // namespace ragmesh::services
