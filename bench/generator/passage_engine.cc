#include "bench/generator/passage_engine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace ragmesh::bench {
namespace {

using generation::Engine;

constexpr std::size_t kMaxPromptBytes = 1 << 20;

std::string NumberOf(std::uint32_t id) { return absl::StrCat(id, ","); }

}  // namespace

absl::StatusOr<std::unique_ptr<PassageEngine>> PassageEngine::Load(const Options& options) {
  auto loaded = std::unique_ptr<PassageEngine>(new PassageEngine());
  RAGMESH_ASSIGN_OR_RETURN(std::shared_ptr<const gguf::File> file, gguf::File::Open(options.path));
  RAGMESH_ASSIGN_OR_RETURN(loaded->prompts_,
                           generation::PromptReader::Create(*file, kMaxPromptBytes));
  loaded->pool_ = std::make_unique<ComputePool>(options.threads);
  Engine::Options engine;
  engine.keep_prompts = options.reuse != Reuse::kOff;
  engine.blend_passages = options.reuse == Reuse::kBlend;
  engine.repeated_share = options.repeated_share;
  generation::DecoderOptions decoding;
  decoding.max_rows = Engine::MaxRows(engine);
  decoding.packed_folder = options.packed_folder;
  decoding.digest = options.digest;
  RAGMESH_ASSIGN_OR_RETURN(
      auto decoder, generation::Decoder::Create(std::move(file), decoding, loaded->pool_.get()));
  RAGMESH_ASSIGN_OR_RETURN(loaded->engine_, Engine::Create(engine, std::move(decoder)));
  return loaded;
}

absl::StatusOr<PassageEngine::Answer> PassageEngine::Write(const std::vector<std::string>& passages,
                                                           const std::string& question,
                                                           std::size_t tokens, bool logprobs) {
  RAGMESH_ASSIGN_OR_RETURN(Engine::Request request, Read(passages, question));
  request.max_tokens = tokens;
  if (logprobs) request.top_logprobs = static_cast<std::uint32_t>(vocabulary_size());
  return Run(std::move(request));
}

absl::StatusOr<PassageEngine::Answer> PassageEngine::Judge(const std::vector<std::string>& passages,
                                                           const std::string& question,
                                                           absl::Span<const std::uint32_t> ids) {
  RAGMESH_ASSIGN_OR_RETURN(Engine::Request request, Read(passages, question));
  request.max_tokens = ids.size();
  request.top_logprobs = static_cast<std::uint32_t>(vocabulary_size());
  RAGMESH_ASSIGN_OR_RETURN(request.constraint, Only(ids));
  RAGMESH_ASSIGN_OR_RETURN(Answer answer, Run(std::move(request)));
  if (!std::equal(ids.begin(), ids.end(), answer.ids.begin(), answer.ids.end()))
    return absl::InternalError("the engine has written other tokens than those it may");
  return answer;
}

std::string PassageEngine::Spell(absl::Span<const std::uint32_t> ids) const {
  std::string text;
  for (const std::uint32_t id : ids)
    absl::StrAppend(&text, prompts_->vocabulary().tokenizer->Bytes(id));
  return text;
}

absl::StatusOr<Engine::Request> PassageEngine::Read(const std::vector<std::string>& passages,
                                                    const std::string& question) const {
  stages::ChatMessage message;
  for (const std::string& passage : passages) {
    message.passages.push_back({message.content.size(), message.content.size() + passage.size()});
    absl::StrAppend(&message.content, passage, "\n\n");
  }
  message.content += question;
  Engine::Request request;
  RAGMESH_ASSIGN_OR_RETURN(request.prompt,
                           prompts_->Read(stages::ChatMessages{message}, &request.passages));
  request.end_ids = prompts_->vocabulary().end_ids;
  return request;
}

absl::StatusOr<PassageEngine::Answer> PassageEngine::Run(Engine::Request request) {
  const std::vector<std::uint32_t> ends = request.end_ids;
  if (request.prompt.size() + request.max_tokens > engine_->context())
    return absl::InvalidArgumentError("prompt and answer do not fit the context");
  RAGMESH_ASSIGN_OR_RETURN(const auto stream, engine_->Submit(std::move(request), call_));
  Answer answer;
  while (true) {
    RAGMESH_ASSIGN_OR_RETURN(const auto written, stream->Next());
    if (!written.has_value()) break;
    if (std::find(ends.begin(), ends.end(), written->token) != ends.end()) continue;
    answer.ids.push_back(written->token);
    if (!written->logprobs.has_value()) continue;
    answer.logprobs.emplace_back(vocabulary_size());
    for (const stages::ScoredToken& token : written->logprobs->top)
      answer.logprobs.back()[token.token_id] = token.logprob;
  }
  answer.outcome = stream->outcome();
  return answer;
}

absl::StatusOr<std::shared_ptr<grammar::Constraint>> PassageEngine::Only(
    absl::Span<const std::uint32_t> ids) {
  if (numbers_ == nullptr) {
    std::vector<std::string> numbers;
    for (std::uint32_t id = 0; id < vocabulary_size(); ++id) numbers.push_back(NumberOf(id));
    const std::vector<absl::string_view> views(numbers.begin(), numbers.end());
    const std::vector<bool> never(numbers.size(), false);
    RAGMESH_ASSIGN_OR_RETURN(numbers_, grammar::TokenTable::Create(views, never));
  }
  std::string text;
  for (const std::uint32_t id : ids) text += NumberOf(id);
  RAGMESH_ASSIGN_OR_RETURN(const auto grammar,
                           grammar::Grammar::ParseGbnf(absl::StrCat("root ::= \"", text, "\"")));
  return grammar::Constraint::Create(grammar, numbers_);
}

}  // namespace ragmesh::bench
