#include "libs/generation/llama_generator.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/concurrency/thread_pool.h"
#include "libs/generation/choice.h"
#include "libs/generation/engine.h"
#include "libs/generation/output_formats.h"
#include "libs/generation/prompt_reader.h"

namespace ragmesh::generation {
namespace {

constexpr std::size_t kMaxStops = 16;
constexpr std::size_t kMaxStopBytes = 256;
constexpr std::size_t kMaxStreams = 64;

// Of the prompt; none of a raw one.
const std::vector<stages::Tool>& ToolsOf(const stages::GenerateRequest& request) {
  static const std::vector<stages::Tool> kNone;
  const auto* chat = std::get_if<stages::ChatPrompt>(&request.prompt);
  return chat == nullptr ? kNone : chat->tools;
}

absl::Status CheckToolsOf(const stages::GenerateRequest& request) {
  const std::vector<stages::Tool>& tools = ToolsOf(request);
  RAGMESH_RETURN_IF_ERROR(stages::CheckTools(tools, ""));
  RAGMESH_RETURN_IF_ERROR(stages::CheckToolChoice(request.tool_choice, tools));
  if (tools.empty() || request.tool_choice.mode == stages::ToolChoice::Mode::kNone ||
      request.format.kind == stages::OutputFormat::Kind::kText) {
    return absl::OkStatus();
  }
  return InvalidField("format", "stands beside tools, whose calls have a form of their own",
                      "Leave one of them out, or set tool_choice to none.");
}

// Letters and digits at random: ids of one conversation differ, whatever its seeds.
std::string NewCallId() {
  constexpr char kLetters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::random_device device;
  std::uint64_t bits = std::uint64_t{device()} << 32 | device();
  std::string id(kCallIdBytes, '0');
  for (char& letter : id) {
    letter = kLetters[bits % (sizeof(kLetters) - 1)];
    bits /= sizeof(kLetters) - 1;
  }
  return id;
}

absl::Status CheckRequest(const stages::GenerateRequest& request, std::size_t vocabulary) {
  RAGMESH_RETURN_IF_ERROR(stages::CheckSampling(request.sampling, "sampling."));
  RAGMESH_RETURN_IF_ERROR(CheckToolsOf(request));
  for (const stages::LogitBias& entry : request.sampling.logit_bias) {
    if (entry.token_id < vocabulary) continue;
    return InvalidField("sampling.logit_bias",
                        absl::StrCat("names token ", entry.token_id, "; the model has tokens 0 to ",
                                     vocabulary - 1),
                        "Take ids from Tokenize of this model.");
  }
  if (request.choices < 1 || request.choices > stages::kMaxChoices) {
    return InvalidField(
        "choices",
        absl::StrCat("is ", request.choices, "; must be between 1 and ", stages::kMaxChoices),
        "Send several requests for more.");
  }
  if (request.top_logprobs.value_or(0) > stages::kMaxTopLogprobs) {
    return InvalidField(
        "top_logprobs",
        absl::StrCat("is ", *request.top_logprobs, "; must be at most ", stages::kMaxTopLogprobs),
        "Ask for fewer alternatives.");
  }
  if (request.stop.size() > kMaxStops) return InvalidField("stop", "must hold at most 16 strings");
  for (const std::string& stop : request.stop) {
    if (stop.empty()) return InvalidField("stop", "must not hold an empty string");
    if (stop.size() > kMaxStopBytes)
      return InvalidField("stop", "must hold strings of at most 256 bytes");
  }
  return absl::OkStatus();
}

// Null where passages are not kept on disk, which is told and never an error.
std::unique_ptr<PassageFolder> OpenFolder(const GeneratorOptions& options, const Decoder& decoder,
                                          absl::string_view kernel) {
  if (options.passage_folder.empty() || !options.blend_passages) return nullptr;
  PassageFolder::Options opened;
  opened.path = options.passage_folder;
  opened.max_bytes = options.passage_disk_bytes;
  // Kernels round differently from each other.
  opened.source = absl::StrCat(options.digest,
                               options.mode == ComputeMode::kFast ? " fast " : " exact ", kernel);
  opened.counts = options.passage_counts;
  opened.on_fault = options.passages_fault;
  absl::StatusOr<std::unique_ptr<PassageFolder>> folder =
      options.digest.empty()
          ? InvalidField("digest", "must name the model by which passages are kept")
          : PassageFolder::Open(opened, decoder.kv_shape());
  if (folder.ok()) return *std::move(folder);
  if (options.passages_fault) options.passages_fault(folder.status());
  return nullptr;
}

class LlamaGenerator final : public stages::Generator {
 public:
  static absl::StatusOr<std::unique_ptr<stages::Generator>> Load(const GeneratorOptions& options) {
    if (options.path.empty()) return InvalidField("path", "must name a GGUF file");
    if (options.max_streams < 1 || options.max_streams > kMaxStreams) {
      return InvalidField("max_streams", "must be between 1 and 64");
    }
    const quant::QuantKernels* kernels = quant::FindQuantKernels(options.kernel);
    if (kernels == nullptr) {
      return InvalidField("kernel",
                          absl::StrCat("\"", options.kernel, "\" does not run on this machine"),
                          "Leave it empty to take the best there is.");
    }
    auto generator = std::unique_ptr<LlamaGenerator>(new LlamaGenerator(options));
    RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<const gguf::File> file,
                             gguf::File::Open(options.path));
    RAGMESH_ASSIGN_OR_RETURN(
        generator->prompts_,
        PromptReader::Create(*file, options.max_prompt_bytes, options.chat_template));
    generator->formats_ = std::make_unique<OutputFormats>(generator->prompts_->vocabulary(),
                                                          generator->prompts_->tool_controls());
    const int threads = options.threads > 0 ? options.threads : AvailableCpus();
    generator->pool_ = std::make_unique<ComputePool>(threads);
    Engine::Options engine;
    engine.max_streams = options.max_streams;
    engine.max_waiting = options.max_waiting;
    engine.kv_bytes = options.kv_bytes;
    engine.blend_passages = options.blend_passages;
    engine.guess = options.guess;
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
    std::unique_ptr<PassageFolder> folder = OpenFolder(options, *decoder, kernels->name);
    RAGMESH_ASSIGN_OR_RETURN(generator->engine_,
                             Engine::Create(engine, std::move(decoder), std::move(folder)));
    generator->context_ = generator->engine_->context();
    if (options.context > 0) generator->context_ = std::min(generator->context_, options.context);
    return std::unique_ptr<stages::Generator>(std::move(generator));
  }

  absl::StatusOr<stages::GenerateResult> Generate(
      const stages::GenerateRequest& request,
      absl::FunctionRef<absl::Status(const stages::TokenEvent&)> on_token,
      const CallContext& call) override {
    RAGMESH_RETURN_IF_ERROR(call.Check());
    RAGMESH_RETURN_IF_ERROR(CheckRequest(request, engine_->decoder().config().vocabulary));
    RAGMESH_ASSIGN_OR_RETURN(Engine::Request work, Plan(request));
    const std::size_t prompt_tokens = work.prompt.size();
    std::vector<Choice> choices;
    RAGMESH_RETURN_IF_ERROR(Submit(request, work, call, &choices));
    // The other choices start once the first has read the prompt, which they then find in the
    // engine's cache.
    if (request.choices > 1) {
      RAGMESH_RETURN_IF_ERROR(engine_->AwaitAny({choices[0].stream()}).status());
      while (choices.size() < request.choices)
        RAGMESH_RETURN_IF_ERROR(Submit(request, work, call, &choices));
    }
    RAGMESH_RETURN_IF_ERROR(Drain(&choices, on_token));
    return Summarise(choices, prompt_tokens);
  }

  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(const stages::Prompt& prompt,
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
                     {"running", absl::StrCat(engine_->running())},
                     {"tools", prompts_->tool_format().ok() ? "yes" : "no"}};
    return info;
  }

 private:
  explicit LlamaGenerator(const GeneratorOptions& options) : options_(options) {}

  absl::StatusOr<Engine::Request> Plan(const stages::GenerateRequest& request) const {
    Engine::Request work;
    RAGMESH_ASSIGN_OR_RETURN(work.prompt, prompts_->Read(request.prompt, &work.passages));
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
    work.top_logprobs = request.top_logprobs;
    work.tenant = request.tenant;
    RAGMESH_ASSIGN_OR_RETURN(work.constraint, FindConstraint(request));
    if (work.constraint != nullptr && request.ignore_eos)
      return InvalidField("ignore_eos", "stands beside a format, which has an end");
    work.breakers = Breakers(request.sampling);
    (request.ignore_eos ? work.forbidden : work.end_ids) = prompts_->vocabulary().end_ids;
    return work;
  }

  absl::StatusOr<OutputFormats::ConstraintPtr> FindConstraint(
      const stages::GenerateRequest& request) const {
    const std::vector<stages::Tool>& tools = ToolsOf(request);
    if (tools.empty() || request.format.kind != stages::OutputFormat::Kind::kText)
      return formats_->Find(request.format);
    RAGMESH_RETURN_IF_ERROR(prompts_->tool_format().status());
    return formats_->FindTools(*prompts_->tool_format(), tools, request.tool_choice);
  }

  // Null for texts without calls.
  std::unique_ptr<Choice::Tools> ReadTools(const stages::GenerateRequest& request) const {
    const std::vector<stages::Tool>& tools = ToolsOf(request);
    if (tools.empty() || request.tool_choice.mode == stages::ToolChoice::Mode::kNone)
      return nullptr;
    std::vector<std::string> names;
    for (const stages::Tool& tool : tools) names.push_back(tool.name);
    return std::make_unique<Choice::Tools>(
        Choice::Tools{ToolCallReader(*prompts_->tool_format(), std::move(names), NewCallId),
                      prompts_->tool_controls()});
  }

  static std::uint64_t RandomSeed() {
    std::random_device device;
    return std::uint64_t{device()} << 32 | device();
  }

  absl::Status Submit(const stages::GenerateRequest& request, const Engine::Request& work,
                      const CallContext& call, std::vector<Choice>* choices) {
    const auto index = static_cast<std::uint32_t>(choices->size());
    Engine::Request own = work;
    own.seed = ChoiceSeed(work.seed, index);
    const std::uint64_t seed = own.seed;
    RAGMESH_ASSIGN_OR_RETURN(std::unique_ptr<Engine::Stream> stream,
                             engine_->Submit(std::move(own), call));
    const Vocabulary& vocabulary = prompts_->vocabulary();
    choices->emplace_back(index, seed, std::move(stream), vocabulary, request.stop,
                          vocabulary.tokenizer->AddsSpaceAfter(work.prompt.back()),
                          ReadTools(request));
    return absl::OkStatus();
  }

  // Reads whichever stream has something, so that none waits for the place of another.
  absl::Status Drain(std::vector<Choice>* choices, Choice::OnToken on_token) {
    while (true) {
      std::vector<Choice*> open;
      std::vector<Engine::Stream*> streams;
      for (Choice& choice : *choices) {
        if (choice.ended()) continue;
        open.push_back(&choice);
        streams.push_back(choice.stream());
      }
      if (open.empty()) return absl::OkStatus();
      std::size_t next = 0;
      if (open.size() > 1) {
        RAGMESH_ASSIGN_OR_RETURN(next, engine_->AwaitAny(streams));
      }
      RAGMESH_RETURN_IF_ERROR(open[next]->Advance(on_token));
    }
  }

  // Times are those of the first choice, whose prompt was read.
  static stages::GenerateResult Summarise(const std::vector<Choice>& choices,
                                          std::size_t prompt_tokens) {
    const Engine::Outcome& outcome = choices[0].outcome();
    stages::ChoiceEnd first = choices[0].end();
    stages::GenerateResult result;
    result.finish_reason = first.finish_reason;
    result.stop_sequence = std::move(first.stop_sequence);
    result.seed = first.seed;
    for (std::size_t i = 1; i < choices.size(); ++i)
      result.other_choices.push_back(choices[i].end());
    result.usage.prompt_tokens = static_cast<std::uint32_t>(prompt_tokens);
    result.usage.cached_prompt_tokens =
        static_cast<std::uint32_t>(outcome.cached_tokens + outcome.blended_tokens);
    for (const Choice& choice : choices) result.usage.completion_tokens += choice.tokens();
    result.queue_seconds = outcome.queue_seconds;
    result.prefill_seconds = outcome.prefill_seconds;
    result.decode_seconds = outcome.decode_seconds;
    return result;
  }

  // Those of a request with DRY. Making them looks at the whole vocabulary, so the last ones are
  // kept for requests with the same texts.
  std::shared_ptr<const SequenceBreakers> Breakers(const stages::Sampling& sampling) const {
    if (sampling.dry_multiplier <= 0) return nullptr;
    {
      absl::MutexLock lock(&breakers_mutex_);
      if (breakers_ != nullptr && breaker_texts_ == sampling.dry_sequence_breakers)
        return breakers_;
    }
    const text::DecoderTokenizer& tokenizer = *prompts_->vocabulary().tokenizer;
    auto made = SequenceBreakers::Create(
        sampling.dry_sequence_breakers, tokenizer.size(),
        [&](std::uint32_t id) {
          return tokenizer.kind(id) == text::TokenKind::kControl ? absl::string_view()
                                                                 : tokenizer.Bytes(id);
        },
        [&](absl::string_view text) {
          std::vector<text::Token> tokens;
          tokenizer.Encode(text, &tokens);
          std::vector<std::uint32_t> ids;
          for (const text::Token& token : tokens) ids.push_back(token.id);
          return ids;
        });
    absl::MutexLock lock(&breakers_mutex_);
    breaker_texts_ = sampling.dry_sequence_breakers;
    return breakers_ = std::move(made);
  }

  const GeneratorOptions options_;
  std::string kernel_;
  std::size_t context_ = 0;
  std::unique_ptr<const PromptReader> prompts_;
  std::unique_ptr<OutputFormats> formats_;
  std::unique_ptr<ComputePool> pool_;
  mutable absl::Mutex breakers_mutex_;
  mutable std::vector<std::string> breaker_texts_ ABSL_GUARDED_BY(breakers_mutex_);
  mutable std::shared_ptr<const SequenceBreakers> breakers_ ABSL_GUARDED_BY(breakers_mutex_);
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
  absl::StatusOr<std::vector<std::uint32_t>> Tokenize(const stages::Prompt&,
                                                      const CallContext&) override {
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
