#include "libs/generation/prompt_reader.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/error.h"
#include "libs/base/status_macros.h"

namespace ragmesh::generation {
namespace {

// For files without a template whose vocabulary has ChatML's tokens.
constexpr char kChatMl[] =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const char* RoleName(stages::ChatRole role) {
  switch (role) {
    case stages::ChatRole::kSystem:
      return "system";
    case stages::ChatRole::kUser:
      return "user";
    case stages::ChatRole::kAssistant:
      return "assistant";
    case stages::ChatRole::kTool:
      return "tool";
  }
  return "user";
}

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

}  // namespace

absl::StatusOr<std::unique_ptr<const PromptReader>> PromptReader::Create(
    const gguf::File& file, std::size_t max_prompt_bytes) {
  auto reader = std::unique_ptr<PromptReader>(new PromptReader());
  RAGMESH_ASSIGN_OR_RETURN(reader->vocabulary_, ReadVocabulary(file));
  reader->max_prompt_bytes_ = max_prompt_bytes;
  absl::string_view source = file.GetString("tokenizer.chat_template").value_or("");
  if (source.empty() && reader->vocabulary_.tokenizer->FindSpecial("<|im_start|>") >= 0)
    source = kChatMl;
  if (source.empty()) {
    reader->template_ =
        WrongState("NO_CHAT_TEMPLATE", absl::StrCat(file.name(), " has no chat template"),
                   "Send a raw prompt, or use a model tuned for chat.");
  } else {
    reader->template_ = chat_template::ChatTemplate::Parse(source);
  }
  return reader;
}

absl::StatusOr<chat_template::Rendered> PromptReader::Render(
    const stages::ChatMessages& messages) const {
  if (!template_.ok()) return template_.status();
  if (messages.empty()) return InvalidField("messages", "must not be empty");
  nlohmann::ordered_json context;
  const auto spelling = [&](std::optional<std::uint32_t> id) {
    return id.has_value() ? std::string(vocabulary_.tokenizer->Bytes(*id)) : std::string();
  };
  context["bos_token"] = spelling(vocabulary_.bos);
  context["eos_token"] = spelling(vocabulary_.eos);
  context["add_generation_prompt"] = true;
  for (const stages::ChatMessage& message : messages) {
    context["messages"].push_back({{"role", RoleName(message.role)}, {"content", message.content}});
  }
  return (*template_)->Render(context, absl::Now());
}

absl::StatusOr<std::vector<std::uint32_t>> PromptReader::Read(
    const std::variant<stages::ChatMessages, stages::RawPrompt>& prompt,
    std::vector<Engine::TokenRange>* passages) const {
  std::size_t bytes = 0;
  if (const auto* raw = std::get_if<stages::RawPrompt>(&prompt)) {
    bytes = raw->text.size();
  } else {
    for (const stages::ChatMessage& message : std::get<stages::ChatMessages>(prompt))
      bytes += message.content.size();
  }
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
                           Render(std::get<stages::ChatMessages>(prompt)));
  vocabulary_.tokenizer->EncodeWithSpecials(rendered.text, rendered.foreign, &tokens);
  if (passages != nullptr)
    *passages = FindPassages(std::get<stages::ChatMessages>(prompt), rendered, tokens);
  return Ids(tokens);
}

}  // namespace ragmesh::generation
