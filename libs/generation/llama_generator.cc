#include "libs/generation/llama_generator.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/generation/engine.h"
#include "libs/generation/prompt_reader.h"
#include "libs/generation/text_assembler.h"

namespace ragmesh::generation {
namespace {

constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::size_t kMaxStreams = 64;

absl::Status CheckRequest(const stages::GenerateRequest& request) {
  const stages::Sampling& sampling = request.sampling;
  if (!(sampling.temperature >= 0 && sampling.temperature <= 2)) {
    return InvalidField("sampling.temperature", "must be between 0 and 2");
  }
  if (!(sampling.top_p > 0 && sampling.top_p <= 1))
    return InvalidField("sampling.top_p", "must be over 0 and at most 1");
  if (!(sampling.min_p >= 0 && sampling.min_p < 1))
    return InvalidField("sampling.min_p", "must be at least 0 and below 1");
  if (request.stop.size() > kMaxStops) return InvalidField("stop", "must hold at most 16 strings");
  for (const std::string& stop : request.stop) {
    if (stop.empty()) return InvalidField("stop", "must not hold an empty string");
    if (stop.size() > kMaxStopBytes)
      return InvalidField("stop", "must hold strings of at most 256 bytes");
  }
  return absl::OkStatus();
}

class LlamaGenerator final : public stages::Generator {
 public:
  static absl::StatusOr<std::unique_ptr<stages::Generator>> Load(const GeneratorOptions& options) {
    if (options.path.empty()) return InvalidField("path", "must name a GGUF file");
    if (options.max_streams < 1 || options.max_streams > kMaxStreams) {
      return InvalidField("max_streams", "must be between 1 and 64");
    }
    const linalg::QuantKernels* kernels = linalg::FindQuantKernels(options.kernel);
    if (kernels == nullptr) {
      return InvalidField("kernel",
                          absl::StrCat("\"", options.kernel, "\" does not run on this machine"),
                          "Leave it empty to take the best there is.");
    }
    auto generator = std::unique_ptr<LlamaGenerator>(new LlamaGenerator(options));
    RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<const gguf::File> file,
                             gguf::File::Open(options.path));
    RAGMESH_ASSIGN_OR_RETURN(generator->prompts_,
                             PromptReader::Create(*file, options.max_prompt_bytes));
    const int threads = options.threads > 0 ? options.threads : AvailableCpus();
    generator->pool_ = std::make_unique<ComputePool>(threads);
    Engine::Options engine;
    engine.max_streams = options.max_streams;
    engine.max_waiting = options.max_waiting;
    engine.kv_bytes = options.kv_bytes;
    DecoderOptions decoding;
    decoding.mode = options.mode;
    decoding.max_rows = Engine::MaxRows(engine);
    decoding.kernels = kernels;
    decoding.context = options.context;
    decoding.cache = options.cache;
    decoding.packed_folder = options.packed_folder;
    decoding.digest = options.digest;
    decoding.not_shared = options.not_shared;
    RAGMESH_ASSIGN_OR_RETURN(std::unique_ptr<Decoder> decoder,
                             Decoder::Create(file, decoding, generator->pool_.get()));
    if (decoder->config().vocabulary < generator->prompts_->vocabulary().tokenizer->size()) {
      return Corrupt(options.path, "has more tokens in its vocabulary than rows in its embedding");
    }
    generator->kernel_ = kernels->name;
    RAGMESH_ASSIGN_OR_RETURN(generator->engine_, Engine::Create(engine, std::move(decoder)));
    generator->context_ = generator->engine_->context();
    if (options.context > 0) generator->context_ = std::min(generator->context_, options.context);
    return std::unique_ptr<stages::Generator>(std::move(generator));
  }

  absl::StatusOr<stages::GenerateResult> Generate(
      const stages::GenerateRequest& request,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token,
      const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_RETURN_IF_ERROR(CheckRequest(request));
    RAGMESH_ASSIGN_OR_RETURN(Engine::Request work, Plan(request));
    stages::GenerateResult result;
    result.usage.prompt_tokens = static_cast<std::uint32_t>(work.prompt.size());
    result.seed = work.seed;
    const text::DecoderTokenizer& tokenizer = *prompts_->vocabulary().tokenizer;
    TextAssembler assembler(request.stop, tokenizer.AddsSpaceAfter(work.prompt.back()));
    RAGMESH_ASSIGN_OR_RETURN(const std::unique_ptr<Engine::Stream> stream,
                             engine_->Submit(std::move(work), call));

    while (!assembler.stopped()) {
      RAGMESH_ASSIGN_OR_RETURN(const std::optional<std::uint32_t> token, stream->Next());
      if (!token.has_value()) break;
      ++result.usage.completion_tokens;
      // Rows past the vocabulary are padding, and control tokens are structure: neither has text.
      const bool has_text =
          *token < tokenizer.size() && tokenizer.kind(*token) != text::TokenKind::kControl;
      RAGMESH_RETURN_IF_ERROR(
          Send(assembler.Add(*token, has_text ? tokenizer.Bytes(*token) : ""), on_token));
    }
    if (!assembler.stopped()) RAGMESH_RETURN_IF_ERROR(Send(assembler.Finish(), on_token));
    const Engine::Outcome outcome = stream->outcome();
    result.finish_reason = assembler.stopped() ? stages::FinishReason::kStop : outcome.reason;
    result.stop_sequence = assembler.stop_sequence();
    result.usage.cached_prompt_tokens = static_cast<std::uint32_t>(outcome.cached_tokens);
    result.queue_seconds = outcome.queue_seconds;
    result.prefill_seconds = outcome.prefill_seconds;
    result.decode_seconds = outcome.decode_seconds;
    return result;
  }

  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(
      const std::variant<stages::ChatMessages, stages::RawPrompt>& prompt,
      const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    return prompts_->Read(prompt);
  }

  absl::StatusOr<stages::StageInfo> Info(const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    stages::StageInfo info;
    info.stage = "generator";
    info.kernel = kernel_;
    info.ready = true;
    info.model.name = options_.name;
    info.model.digest = options_.digest;
    info.model.architecture = engine_->decoder().config().architecture;
    info.model.precision = options_.mode == ComputeMode::kFast ? "int8" : "f32";
    info.model.max_tokens = static_cast<std::uint32_t>(context_);
    info.limits = {
        {"max_context_tokens", context_},      {"max_streams", options_.max_streams},
        {"max_waiting", options_.max_waiting}, {"max_prompt_bytes", options_.max_prompt_bytes},
        {"max_stop_strings", kMaxStops},       {"kv_bytes", options_.kv_bytes}};
    info.features = {{"threads", absl::StrCat(pool_->threads())},
                     {"waiting", absl::StrCat(engine_->waiting())},
                     {"running", absl::StrCat(engine_->running())}};
    return info;
  }

 private:
  explicit LlamaGenerator(const GeneratorOptions& options) : options_(options) {}

  absl::StatusOr<Engine::Request> Plan(const stages::GenerateRequest& request) const {
    Engine::Request work;
    RAGMESH_ASSIGN_OR_RETURN(work.prompt, prompts_->Read(request.prompt));
    if (work.prompt.empty()) return InvalidField("prompt", "must hold at least one token");
    if (work.prompt.size() >= context_) {
      return MakeError(
          absl::StatusCode::kInvalidArgument,
          absl::StrCat("the prompt has ", work.prompt.size(), " tokens, and the context of ",
                       context_, " must also hold the answer"),
          {.reason = "CONTEXT_TOO_LONG",
           .field = "prompt",
           .next_step = "Send fewer or shorter passages or messages.",
           .metadata = {{"prompt_tokens", absl::StrCat(work.prompt.size())},
                        {"context_tokens", absl::StrCat(context_)}}});
    }
    const std::size_t room = context_ - work.prompt.size();
    work.max_tokens =
        request.max_tokens == 0 ? room : std::min<std::size_t>(room, request.max_tokens);
    work.sampling = request.sampling;
    work.seed = request.sampling.seed.has_value() ? *request.sampling.seed : RandomSeed();
    (request.ignore_eos ? work.forbidden : work.end_ids) = prompts_->vocabulary().end_ids;
    return work;
  }

  static std::uint64_t RandomSeed() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }

  static absl::Status Send(const stages::TokenEvent& event,
                           absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token) {
    return event.text.empty() && event.token_ids.empty() ? absl::OkStatus() : on_token(event);
  }

  const GeneratorOptions options_;
  std::string kernel_;
  std::size_t context_ = 0;
  std::unique_ptr<const PromptReader> prompts_;
  std::unique_ptr<ComputePool> pool_;
  std::unique_ptr<Engine> engine_;  // goes first: its thread uses the pool
};

class AbsentGenerator final : public stages::Generator {
 public:
  AbsentGenerator(const GeneratorOptions& options, const absl::Status& reason) : options_(options) {
    reason_ = options.path.empty() ? "no model file is configured" : std::string(reason.message());
  }

  absl::StatusOr<stages::GenerateResult> Generate(
      const stages::GenerateRequest&, absl::FunctionRef<absl::Status(const stages::TokenEvent&)>,
      const CallContext&) override {
    return Refusal();
  }
  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(
      const std::variant<stages::ChatMessages, stages::RawPrompt>&, const CallContext&) override {
    return Refusal();
  }
  absl::StatusOr<stages::StageInfo> Info(const CallContext&) override {
    stages::StageInfo info;
    info.stage = "generator";
    info.not_ready_reason = absl::StrCat("the generator has no model: ", reason_);
    info.model.name = options_.name;
    return info;
  }

 private:
  absl::Status Refusal() const {
    return Unavailable("MODEL_NOT_LOADED", absl::StrCat("the generator has no model: ", reason_),
                       options_.name.empty()
                           ? "Fetch one with: ragmesh models pull"
                           : absl::StrCat("Fetch it with: ragmesh models pull ", options_.name),
                       absl::Minutes(1));
  }

  const GeneratorOptions options_;
  std::string reason_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<stages::Generator>> LoadGenerator(const GeneratorOptions& options) {
  return LlamaGenerator::Load(options);
}

std::unique_ptr<stages::Generator> OpenGenerator(const GeneratorOptions& options) {
  absl::StatusOr<std::unique_ptr<stages::Generator>> loaded = LoadGenerator(options);
  if (loaded.ok()) return *std::move(loaded);
  return std::make_unique<AbsentGenerator>(options, loaded.status());
}

}  // namespace ragmesh::generation
