// Prompts -> token ids, with the model's own chat template.
#ifndef RAGMESH_LIBS_GENERATION_PROMPT_READER_H_
#define RAGMESH_LIBS_GENERATION_PROMPT_READER_H_

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/chat_template/chat_template.h"
#include "libs/generation/engine.h"
#include "libs/generation/tool_format.h"
#include "libs/generation/vocabulary.h"
#include "libs/gguf/gguf.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// Immutable and thread-safe.
class PromptReader {
 public:
  // A file whose template is outside the supported subset still serves raw prompts; chat prompts
  // then report why. `chat_template` is used in place of the file's own, unless empty.
  static absl::StatusOr<std::unique_ptr<const PromptReader>> Create(
      const gguf::File& file, std::size_t max_prompt_bytes, absl::string_view chat_template = "");

  const Vocabulary& vocabulary() const { return vocabulary_; }

  // How the model writes calls of tools, or FAILED_PRECONDITION / NO_TOOL_FORMAT.
  const absl::StatusOr<ToolFormat>& tool_format() const { return tool_format_; }
  // Control tokens that it spells, behind their marks, by id; empty without a format.
  const std::map<std::uint32_t, std::string>& tool_controls() const { return tool_controls_; }

  // Words in message content never become control tokens. INVALID_ARGUMENT when the template
  // refuses the messages; RESOURCE_EXHAUSTED / LIMIT_EXCEEDED over the bound on bytes.
  // `passages`, unless null, gets the tokens of passages that the messages name, in order; those
  // that the template has changed are left out.
  absl::StatusOr<std::vector<std::uint32_t>> Read(
      const stages::Prompt& prompt, std::vector<Engine::TokenRange>* passages = nullptr) const;

 private:
  PromptReader() = default;
  using Template = absl::StatusOr<std::shared_ptr<const chat_template::ChatTemplate>>;

  static Template ParseTemplate(absl::string_view source);
  void ReadTemplates(const gguf::File& file, absl::string_view given);
  std::string Spelling(std::optional<std::uint32_t> id) const;
  absl::StatusOr<ToolFormat> LookForTools() const;
  void LookForControls(const ToolFormat& format);
  absl::StatusOr<chat_template::Rendered> Render(const stages::ChatPrompt& chat) const;

  Vocabulary vocabulary_;
  std::size_t max_prompt_bytes_ = 0;
  Template template_ = nullptr;
  Template tool_template_ = nullptr;  // of conversations with tools, mostly the same
  absl::StatusOr<ToolFormat> tool_format_ = ToolFormat();
  std::map<std::uint32_t, std::string> tool_controls_;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PROMPT_READER_H_
