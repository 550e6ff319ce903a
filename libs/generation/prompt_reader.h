// Prompts -> token ids, with the model's own chat template.
#ifndef RAGMESH_LIBS_GENERATION_PROMPT_READER_H_
#define RAGMESH_LIBS_GENERATION_PROMPT_READER_H_

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/chat_template/chat_template.h"
#include "libs/generation/engine.h"
#include "libs/generation/vocabulary.h"
#include "libs/gguf/gguf.h"
#include "libs/stages/generator.h"

namespace ragmesh::generation {

// Immutable and thread-safe.
class PromptReader {
 public:
  // A file whose template is outside the supported subset still serves raw prompts; chat prompts
  // then report why.
  static absl::StatusOr<std::unique_ptr<const PromptReader>> Create(const gguf::File& file,
                                                                    std::size_t max_prompt_bytes);

  const Vocabulary& vocabulary() const { return vocabulary_; }

  // Words in message content never become control tokens. INVALID_ARGUMENT when the template
  // refuses the messages; RESOURCE_EXHAUSTED / LIMIT_EXCEEDED over the bound on bytes.
  // `passages`, unless null, gets the tokens of passages that the messages name, in order; those
  // that the template has changed are left out.
  absl::StatusOr<std::vector<std::uint32_t>> Read(
      const std::variant<stages::ChatMessages, stages::RawPrompt>& prompt,
      std::vector<Engine::TokenRange>* passages = nullptr) const;

 private:
  PromptReader() = default;
  absl::StatusOr<chat_template::Rendered> Render(const stages::ChatMessages& messages) const;

  Vocabulary vocabulary_;
  std::size_t max_prompt_bytes_ = 0;
  absl::StatusOr<std::unique_ptr<const chat_template::ChatTemplate>> template_ = nullptr;
};

}  // namespace ragmesh::generation

#endif  // RAGMESH_LIBS_GENERATION_PROMPT_READER_H_
