#include "libs/generation/prompt_reader.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"
#include "libs/generation/message_json.h"

namespace ragmesh::generation {
namespace {

// For files without a template whose vocabulary has ChatML's tokens.
constexpr char kChatMl[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

std::vector<std::uint32_t> Ids(const std::vector<text::Token>& tokens) {
  std::vector<std::uint32_t> ids;
  ids.reserve(tokens.size());
  for (const text::Token& token : tokens) ids.push_back(token.id);
  return ids;
}

// The tokens that lie within the passages' bytes; one that reaches over an edge is not the
// passage's own, since elsewhere it would be another.
std::vector<Engine::TokenRange> FindPassages(const stages::ChatMessages& messages,
                                             const chat_template::Rendered& rendered,
                                             const std::vector<text::Token>& tokens) {
  std::vector<Engine::TokenRange> found;
  std::size_t at = 0, token = 0;
  for (const stages::ChatMessage& message : messages) {
    for (const stages::ByteRange& range : message.passages) {
      const auto passage =
          absl::string_view(message.content).substr(range.begin, range.end - range.begin);
      const std::size_t begin = absl::string_view(rendered.text).find(passage, at);
      if (begin == absl::string_view::npos) continue;
      at = begin + passage.size();
      while (token < tokens.size() && tokens[token].begin < begin) ++token;
      const std::size_t first = token;
      while (token < tokens.size() && tokens[token].end <= at) ++token;
      if (token > first) found.push_back({first, token});
    }
  }
  return found;
}

// What a prompt of a caller holds, roughly: names of roles and the like are left out.
std::size_t Bytes(const stages::Prompt& prompt) {
  if (const auto* raw = std::get_if<stages::RawPrompt>(&prompt)) return raw->text.size();
  const auto& chat = std::get<stages::ChatPrompt>(prompt);
  std::size_t bytes = 0;
  for (const stages::ChatMessage& message : chat.messages) {
    bytes += message.content.size();
    for (const stages::ToolCall& call : message.tool_calls)
      bytes += call.name.size() + call.arguments.size();
  }
  for (const stages::Tool& tool : chat.tools)
    bytes += tool.name.size() + tool.description.size() + tool.parameters.size();
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const PromptReader>> PromptReader::Create(
    const gguf::File& file, std::size_t max_prompt_bytes, absl::string_view chat_template) {
  auto reader = std::unique_ptr<PromptReader>(new PromptReader());
  RAGMESH_ASSIGN_OR_RETURN(reader->vocabulary_, ReadVocabulary(file));
  reader->max_prompt_bytes_ = max_prompt_bytes;
  reader->ReadTemplates(file, chat_template);
  reader->tool_format_ = reader->LookForTools();
  if (reader->tool_format_.ok()) reader->LookForControls(*reader->tool_format_);
  return reader;
}

PromptReader::Template PromptReader::ParseTemplate(absl::string_view source) {
  RAGMESH_ASSIGN_OR_RETURN(auto parsed, chat_template::ChatTemplate::Parse(source));
  return std::shared_ptr<const chat_template::ChatTemplate>(std::move(parsed));
}

void PromptReader::ReadTemplates(const gguf::File& file, absl::string_view given) {
  absl::string_view source = file.GetString("tokenizer.chat_template").value_or("");
  // Some models have one of its own for conversations with tools.
  absl::string_view with_tools = file.GetString("tokenizer.chat_template.tool_use").value_or("");
  if (!given.empty()) source = with_tools = given;
  if (source.empty() && vocabulary_.tokenizer->FindSpecial("<|im_start|>") >= 0) source = kChatMl;
  if (source.empty()) {
    template_ = WrongState("NO_CHAT_TEMPLATE", absl::StrCat(file.name(), " has no chat template"),
                           "Send a raw prompt, or use a model tuned for chat.");
  } else {
    template_ = ParseTemplate(source);
  }
  tool_template_ =
      with_tools.empty() || with_tools == source ? template_ : ParseTemplate(with_tools);
}

std::string PromptReader::Spelling(std::optional<std::uint32_t> id) const {
  return id.has_value() ? std::string(vocabulary_.tokenizer->Bytes(*id)) : std::string();
}

absl::StatusOr<ToolFormat> PromptReader::LookForTools() const {
  if (!tool_template_.ok()) return tool_template_.status();
  const text::DecoderTokenizer& tokenizer = *vocabulary_.tokenizer;
  ToolFormatSource source{.chat_template = **tool_template_,
                          .bos = Spelling(vocabulary_.bos),
                          .eos = Spelling(vocabulary_.eos),
                          .controls = {},
                          .ends = {}};
  for (std::uint32_t id = 0; id < tokenizer.size(); ++id) {
    if (tokenizer.kind(id) == text::TokenKind::kControl)
      source.controls.emplace_back(tokenizer.Bytes(id));
  }
  for (const std::uint32_t id : vocabulary_.end_ids) source.ends.emplace_back(tokenizer.Bytes(id));
  return FindToolFormat(source);
}

void PromptReader::LookForControls(const ToolFormat& format) {
  const text::DecoderTokenizer& tokenizer = *vocabulary_.tokenizer;
  for (std::uint32_t id = 0; id < tokenizer.size(); ++id) {
    if (tokenizer.kind(id) != text::TokenKind::kControl) continue;
    std::string marked = absl::StrCat(std::string(1, kControlMark), tokenizer.Bytes(id));
    for (const std::string* piece :
         {&format.before, &format.between, &format.next, &format.after, &format.also_open}) {
      if (absl::StrContains(*piece, marked)) tool_controls_[id] = marked;
    }
  }
}

absl::StatusOr<chat_template::Rendered> PromptReader::Render(const stages::ChatPrompt& chat) const {
  if (!chat.tools.empty()) RAGMESH_RETURN_IF_ERROR(tool_format_.status());
  bool holds_calls = !chat.tools.empty();
  for (const stages::ChatMessage& message : chat.messages)
    holds_calls |= !message.tool_calls.empty();
  const Template& chosen = holds_calls ? tool_template_ : template_;
  if (!chosen.ok()) return chosen.status();
  if (chat.messages.empty()) return InvalidField("messages", "must not be empty");
  nlohmann::ordered_json context;
  context["bos_token"] = Spelling(vocabulary_.bos);
  context["eos_token"] = Spelling(vocabulary_.eos);
  context["add_generation_prompt"] = true;
  RAGMESH_ASSIGN_OR_RETURN(
      context["messages"],
      MessagesJson(chat.messages, !tool_format_.ok() || tool_format_->typed_arguments));
  if (!chat.tools.empty()) {
    RAGMESH_ASSIGN_OR_RETURN(context["tools"], ToolsJson(chat.tools));
  }
  return (*chosen)->Render(context, absl::Now());
}

absl::StatusOr<std::vector<std::uint32_t>> PromptReader::Read(
    const stages::Prompt& prompt, std::vector<Engine::TokenRange>* passages) const {
  const std::size_t bytes = Bytes(prompt);
  if (bytes > max_prompt_bytes_) {
    return LimitExceeded("prompt", static_cast<long long>(bytes),
                         static_cast<long long>(max_prompt_bytes_), "bytes",
                         "Send a shorter prompt.");
  }
  std::vector<text::Token> tokens;
  if (const auto* raw = std::get_if<stages::RawPrompt>(&prompt)) {
    if (raw->parse_special) {
      vocabulary_.tokenizer->EncodeWithSpecials(raw->text, "", &tokens);
    } else {
      vocabulary_.tokenizer->Encode(raw->text, &tokens);
    }
    std::vector<std::uint32_t> ids = Ids(tokens);
    const bool has_bos = !ids.empty() && vocabulary_.bos.has_value() && ids[0] == *vocabulary_.bos;
    if (vocabulary_.adds_bos && vocabulary_.bos.has_value() && !has_bos)
      ids.insert(ids.begin(), *vocabulary_.bos);
    return ids;
  }
  // A chat template writes the beginning of the text itself.
  RAGMESH_ASSIGN_OR_RETURN(const chat_template::Rendered rendered,
                           Render(std::get<stages::ChatPrompt>(prompt)));
  vocabulary_.tokenizer->EncodeWithSpecials(rendered.text, rendered.foreign, &tokens);
  if (passages != nullptr)
    *passages = FindPassages(std::get<stages::ChatPrompt>(prompt).messages, rendered, tokens);
  return Ids(tokens);
}

}  // namespace ragmesh::generation
